// Programs, gates and joins of a random workflow, each in two forms: as a user writes it, and as a bare stage.
import { engineStage, type After, type BareStage, type Read } from './bare-stage.ts';
import type { Declared } from './pure-jobs.ts';

/** A word of a program: as it is written in the workflow, and what it comes to. */
export type Word = readonly [written: unknown, text: string];

export const plain = (text: string): Word => [text, text];
/** Few different results: so that a change often comes to nothing. */
export const VALUES = plain('values=3');

export const OUT: Declared = {
  out: { type: 'file', path: 'out.txt' },
  metrics: { type: 'metrics', path: 'metrics.json' },
};
export const TREE: Declared = { out: { type: 'dataset', path: 'folder' } };

interface Common {
  readonly declared?: Declared;
  readonly file?: string | undefined;
}

/** @param more inputs, after and forEach as written. */
export function program(
  words: readonly Word[],
  { declared = OUT, file, retry = 0, ...more }: Common & { readonly retry?: number; readonly [name: string]: unknown },
): object {
  return {
    kind: 'command',
    with: {
      argv: words.map(([written]) => written),
      outputs: declared,
      ...(file === undefined ? {} : { files: [file] }),
    },
    ...(retry === 0 ? {} : { retry, timeout: `${retry}h` }),
    ...more,
  };
}

export function bareProgram(
  id: string,
  words: readonly Word[],
  { declared = OUT, file, reads = [], after = [] }: Common & Partial<Pick<BareStage, 'reads' | 'after'>>,
): BareStage {
  const argv = words.map(([, text]) => text);
  return { id, kind: 'job', argv, declared, files: file === undefined ? [] : [file], reads, after };
}

/** A stage with two forms, under the name it has where it is written. */
export interface Twofold {
  readonly json: object;
  readonly bare: BareStage;
}

export function gate(id: string, { of, read, atLeast, cases: [first, other], after = [] }: GateWords): Twofold {
  const [written, number] = atLeast;
  return {
    json: {
      kind: 'gate',
      inputs: { metrics: of },
      cases: [
        { name: first, criteria: [{ metric: 'score', atLeast: written }] },
        { name: other, else: true },
      ],
    },
    bare: engineStage(id, 'gate', {
      reads: [['metrics', ...read]],
      after,
      cases: { atLeast: Number(number), first, other },
    }),
  };
}

interface GateWords {
  /** The metrics, as written and as a bare stage's port. */
  readonly of: string;
  readonly read: readonly [stage: string, port: string];
  readonly atLeast: Word;
  readonly cases: readonly [first: string, other: string];
  readonly after?: readonly After[];
}

/** What a branch gives: at each case of a gate something else, as written and as a bare stage's port. */
export function select(
  id: string,
  gateName: string,
  gateId: string,
  at: { readonly [name: string]: readonly [written: string, stage: string, port: string] },
  after: readonly After[] = [],
): Twofold {
  const alternatives = Object.entries(at);
  const oneOf = alternatives.map(([name, [from]]) => ({ when: `${gateName}:${name}`, from }));
  const bare = Object.fromEntries(alternatives.map(([name, [, stage, port]]) => [name, [stage, port] as const]));
  return {
    json: { kind: 'select', inputs: { out: { oneOf } } },
    bare: engineStage(id, 'select', { oneOf: { port: 'out', gate: gateId, at: bare }, after }),
  };
}

export type { Read };
