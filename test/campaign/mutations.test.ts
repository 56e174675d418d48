// Figure 7 of the engine: over random workflows and random edits of them, exactly the stages run that an independent oracle
// says must run, the plan announced it, and each names its true cause. The short form; `node test/campaign/campaign.mjs
// mutations` makes ten thousand edits.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sizeOf, tell, timeoutMs } from './campaign-size.ts';
import { EditSequence } from './edit-sequence.ts';
import { EDITS, type Edit } from './edits.ts';
import type { Drawing, Part } from './random-workflow.ts';
import { keepResults } from './results.ts';

const seed = sizeOf('seed', 7);
const mutations = sizeOf('mutations', 300);
const PER_WORKFLOW = 20;

const drawing: fc.Arbitrary<Drawing> = fc
  .array(
    fc.record({
      kind: fc.constantFrom('job', 'job', 'branch', 'branch', 'fan', 'waiter', 'halt'),
      reads: fc.array(fc.nat(20), { maxLength: 3 }),
      file: fc.option(fc.nat(1), { nil: undefined, freq: 2 }),
      param: fc.option(fc.nat(1), { nil: undefined, freq: 2 }),
      threshold: fc.nat(3),
    }),
    { minLength: 3, maxLength: 6 },
  )
  .map((parts) => ({
    params: [0, 0],
    parts: parts.map(({ kind, reads, file, param, threshold }, index): Part => ({
      kind,
      label: `n${index}`,
      suffix: '',
      knobs: [0, 0],
      notes: [0, 0],
      // A gate that stops the run hides all that comes later: mostly it lets it pass.
      threshold: kind === 'halt' && threshold < 3 ? 0 : threshold,
      reads: index === 0 ? [] : [...new Set(reads.map((read) => `n${read % index}`))],
      retry: 0,
      ...(file === undefined ? {} : { file }),
      ...(param === undefined ? {} : { param }),
    })),
  }));

const edits: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.record({ what: fc.constantFrom(...EDITS), at: fc.nat(1000), to: fc.nat(1000) }),
  { minLength: PER_WORKFLOW, maxLength: PER_WORKFLOW },
);

test(
  `over ${mutations} random edits (seed ${seed}), plan equals run equals what the oracle says`,
  async () => {
    const began = performance.now();
    const counts: { [edit: string]: number } = {};
    let [workflows, made, stages, sure] = [0, 0, 0, 0];
    await fc.assert(
      fc.asyncProperty(drawing, edits, async (drawn, sequence) => {
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
      { seed, numRuns: Math.ceil(mutations / PER_WORKFLOW), endOnFailure: false, interruptAfterTimeLimit: timeoutMs },
    );
    const seconds = (performance.now() - began) / 1000;
    keepResults('mutations', { seed, mutations: made, workflows, seconds, edits: counts, stages, sure, faults: [] });
    // Announcing "unknown" everywhere would hold, and help nobody.
    expect(sure / stages).toBeGreaterThan(0.6);
  },
  timeoutMs,
);
