// Which profile each scope of the merged model got, and how a loop over profiles ended where it did not find one that passes.
// From what the run told: the merge names its checkpoints by digest, and each stage that applies a profile what it gave.
import { isJsonObject } from '../support/json.ts';
import type { RunReport, StageReport } from './run-report.ts';

export interface MergedProfile {
  readonly scope: string;
  readonly profile: string;
  /** Where it was one of several tried in a loop. */
  readonly tried?: { readonly count: number; readonly end: 'done' | 'exhausted' | 'spent' };
}

export function mergedProfiles({ stages }: RunReport): readonly MergedProfile[] {
  const madeOf = stages.findLast(({ summary }) => isJsonObject(summary['madeOf']))?.summary['madeOf'];
  return Object.entries(isJsonObject(madeOf) ? madeOf : {}).flatMap(([port, digest]) => {
    const maker = stages.find(
      ({ profile, outputs }) =>
        profile !== undefined && Object.values(outputs).some((output) => output.digest === digest),
    );
    if (maker?.profile === undefined) return [];
    const tried = endOfLoop(stages, maker);
    return [{ scope: scopeOf(port), profile: maker.profile, ...(tried === undefined ? {} : { tried }) }];
  });
}

/** `heads[detection]`, or `backbone`. */
function scopeOf(port: string): string {
  return /^heads\[(.*)\]$/.exec(port)?.[1] ?? port;
}

function endOfLoop(stages: readonly StageReport[], { id }: StageReport): MergedProfile['tried'] {
  const loop = /^(.*)\/body\[\d+\]\//.exec(id)?.[1];
  if (loop === undefined) return undefined;
  const judged = stages.filter((stage) => stage.id.startsWith(`${loop}/until[`) && stage.verdict !== undefined);
  const end = judged.at(-1)?.chosen;
  return end === 'done' || end === 'exhausted' || end === 'spent' ? { count: judged.length, end } : undefined;
}
