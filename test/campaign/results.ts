// Results of campaigns as one JSON document, a member per campaign.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { circumstances, resultsFile } from './campaign-size.ts';

export function keepResults(campaign: string, results: object): void {
  if (resultsFile === undefined) return;
  const known = existsSync(resultsFile) ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as object) : {};
  writeFileSync(
    resultsFile,
    `${JSON.stringify({ ...known, [campaign]: { ...circumstances, ...results } }, null, 2)}\n`,
  );
}
