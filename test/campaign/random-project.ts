// What the campaign of edits draws: a workflow of a few parts of any kind, and what is done to it one after the other.
import fc from 'fast-check';
import { PART_KINDS, type Drawing, type Part } from './drawing.ts';
import { EDITS, plainPart, type Edit } from './edits.ts';

export const EDITS_OF_ONE = 20;

export const drawings: fc.Arbitrary<Drawing> = fc
  .array(
    fc.record({
      kind: fc.constantFrom('job' as const, ...PART_KINDS),
      reads: fc.array(fc.nat(20), { maxLength: 3 }),
      file: fc.option(fc.nat(1), { nil: undefined, freq: 2 }),
      param: fc.option(fc.nat(1), { nil: undefined, freq: 2 }),
      threshold: fc.nat(3),
      joined: fc.constantFrom('apart', 'all', 'collect'),
      items: fc.integer({ min: 1, max: 4 }),
      bound: fc.integer({ min: 1, max: 4 }),
      exhausted: fc.constantFrom('last', 'last', 'best', 'best', 'stop', 'fail'),
      numbered: fc.boolean(),
      templated: fc.boolean(),
      home: fc.nat(2),
    }),
    { minLength: 3, maxLength: 6 },
  )
  .map((parts) => ({
    params: [0, 0],
    shared: 0,
    inner: '',
    templatesHome: 0,
    parts: parts.map(({ kind, reads, file, param, threshold, ...more }, index): Part => {
      const read = index === 0 ? [] : [...new Set(reads.map((number) => `n${number % index}`))];
      return {
        ...plainPart({ label: `n${index}`, kind, reads: read }),
        ...more,
        // A gate that stops the run hides all that comes later: mostly it lets it pass.
        threshold: kind === 'halt' && threshold < 3 ? 0 : threshold,
        ...(file === undefined ? {} : { file }),
        ...(param === undefined ? {} : { param }),
      };
    }),
  }));

export const editSequences: fc.Arbitrary<readonly Edit[]> = fc.array(
  fc.record({ what: fc.constantFrom(...EDITS), at: fc.nat(1000), to: fc.nat(1000) }),
  { minLength: EDITS_OF_ONE, maxLength: EDITS_OF_ONE },
);
