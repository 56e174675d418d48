// Figure 7 of the engine: over random workflows and random edits of them, exactly the stages run that an independent oracle
// says must run, the plan announced it, and each names its true cause. The short form; `node test/campaign/campaign.mjs
// mutations` makes ten thousand edits.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sizeOf, tell, timeoutMs } from './campaign-size.ts';
import { EditSequence } from './edit-sequence.ts';
import { drawings, EDITS_OF_ONE, editSequences } from './random-project.ts';
import { keepResults } from './results.ts';

const seed = sizeOf('seed', 7);
const mutations = sizeOf('mutations', 100);

test(
  `over ${mutations} random edits (seed ${seed}), plan equals run equals what the oracle says`,
  async () => {
    const began = performance.now();
    const counts: { [edit: string]: number } = {};
    let [workflows, made, stages, sure] = [0, 0, 0, 0];
    await fc.assert(
      fc.asyncProperty(drawings, editSequences, async (drawn, sequence) => {
        const project = await EditSequence.begin(drawn);
        workflows++;
        try {
          for (const edit of [undefined, ...sequence]) {
            const outcome = await project.step(edit);
            expect(outcome.faults, `after ${JSON.stringify(edit)}`).toEqual([]);
            stages += outcome.stages;
            sure += outcome.sure;
            if (edit === undefined) continue;
            made++;
            counts[edit.what] = (counts[edit.what] ?? 0) + 1;
          }
        } finally {
          await project.end();
        }
        if (workflows % 25 === 0) tell(`${made} edits of ${workflows} workflows`);
      }),
      { seed, numRuns: Math.ceil(mutations / EDITS_OF_ONE), endOnFailure: false, interruptAfterTimeLimit: timeoutMs },
    );
    const seconds = (performance.now() - began) / 1000;
    keepResults('mutations', { seed, mutations: made, workflows, seconds, edits: counts, stages, sure, faults: [] });
    // Announcing "unknown" everywhere would hold, and help nobody.
    expect(sure / stages).toBeGreaterThan(0.6);
  },
  timeoutMs,
);
