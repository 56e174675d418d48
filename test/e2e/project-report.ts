// What a project's newest run did, as the command line tells it.
import type { RunReport } from '../../src/report/run-report.ts';
import type { Ended, Installation } from './installation.ts';

export type Digests = { readonly [stageAndPort: string]: string };

export function succeeded(end: Ended): Ended {
  if (end.exitCode !== 0)
    throw new Error(`exit code ${String(end.exitCode)}\n${end.stdout.slice(-3000)}\n${end.stderr}`);
  return end;
}

export async function reportOf(installation: Installation, root: string): Promise<RunReport> {
  const { stdout } = succeeded(await installation.run(['status', '--json', '--root', root]));
  return JSON.parse(stdout) as RunReport;
}

/** Every output of every stage, verdicts included. */
export function digestsIn(report: RunReport): Digests {
  return Object.fromEntries(
    report.stages.flatMap(({ id, outputs }) =>
      Object.entries(outputs).map(([port, { digest }]) => [`${id}.${port}`, digest]),
    ),
  );
}

/** Stages whose jobs ran in this run; gates, selections and stops are the engine's own. */
export function jobsRunIn(report: RunReport): readonly string[] {
  return report.stages
    .filter(({ kind, state }) => state === 'succeeded' && !['gate', 'select', 'stop'].includes(kind))
    .map(({ id }) => String(id))
    .sort();
}
