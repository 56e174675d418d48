// How much of a campaign to run: a short form in every test run, all of it when asked (campaign.mjs).
const asked = JSON.parse(process.env['HEADGATE_CAMPAIGN_SIZE'] ?? '{}') as { readonly [name: string]: unknown };

/** `--name N` of campaign.mjs, or the short form's. */
export function sizeOf(name: string, short: number): number {
  const value = asked[name];
  return typeof value === 'number' ? value : short;
}

/** Set when a campaign was asked for: where its results go, and that it may take its time. */
export const resultsFile = typeof asked['results'] === 'string' ? asked['results'] : undefined;
/** Command, date, machine, commit and load, noted by campaign.mjs before the start. */
export const circumstances = asked['under'] ?? {};
export const timeoutMs = resultsFile === undefined ? 600_000 : 6 * 3600_000;

/** Progress of a long campaign. */
export function tell(line: string): void {
  if (resultsFile !== undefined) process.stderr.write(`${line}\n`);
}
