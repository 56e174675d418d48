// Random workflows in two forms made from one drawing: the JSON that a user would write, and the bare stages that the oracle
// evaluates. The planner and everything behind it are under test, so nothing of them is used here.
import type { Declared } from './pure-jobs.ts';

/** A part of a workflow, by what it is made of; `label` is what it is whatever it is called. */
export interface Part {
  readonly label: string;
  readonly kind: 'job' | 'branch' | 'fan' | 'waiter' | 'halt';
  /** Added to names: changed by renaming. */
  readonly suffix: string;
  /** One per program of the part. */
  readonly knobs: readonly number[];
  readonly notes: readonly number[];
  /** The knob of the first program comes from this parameter. */
  readonly param?: number;
  readonly threshold: number;
  /** Results of earlier parts that it reads, by label. */
  readonly reads: readonly string[];
  readonly file?: number;
  readonly retry: number;
}

export interface Drawing {
  readonly parts: readonly Part[];
  readonly params: readonly number[];
}

export interface BareStage {
  readonly id: string;
  readonly kind: 'job' | 'gate' | 'select' | 'stop';
  readonly argv: readonly string[];
  readonly declared: Declared;
  readonly files: readonly string[];
  /** Port, stage, that stage's port. */
  readonly reads: readonly (readonly [string, string, string])[];
  readonly after: readonly { readonly id: string; readonly case?: string }[];
  /** Gates: `first` holds from this score on, else `other`. */
  readonly cases?: { readonly atLeast: number; readonly first: string; readonly other: string };
  /** Selections: the gate, and what is forwarded at each case. */
  readonly oneOf?: { readonly gate: string; readonly at: { readonly [name: string]: readonly [string, string] } };
}

export const FAN = ['x', 'y', 'z'] as const;
export const VALUES = 3;
const OUT: Declared = { out: { type: 'file', path: 'out.txt' }, metrics: { type: 'metrics', path: 'metrics.json' } };
const TREE: Declared = { out: { type: 'dataset', path: 'folder' } };

export const fileName = (index: number): string => `data/f${index}.txt`;
export const paramName = (index: number): string => `p${index}`;
export const knobWord = (knob: number): string => `k${knob}`;

type Result = readonly [reference: string, id: string, port: string];

interface Written {
  readonly json: { readonly [stage: string]: object };
  readonly bare: readonly BareStage[];
  /** What later parts read: as written in the workflow, and as a bare stage's port. */
  readonly result: Result;
}

export function writtenParts(drawing: Drawing): readonly Written[] {
  const results = new Map<string, Result>();
  return drawing.parts.map((part) => {
    const reads = part.reads.flatMap((label) => {
      const result = results.get(label);
      return result === undefined ? [] : [result];
    });
    const written = writtenPart(part, drawing.params, reads);
    results.set(part.label, written.result);
    return written;
  });
}

function writtenPart(part: Part, params: readonly number[], reads: readonly Result[]): Written {
  const named = (name: string): string => `${name}-${part.label}${part.suffix}`;
  const [work, gate, tune, join] = ['work', 'gate', 'tune', 'join'].map(named) as [string, string, string, string];
  const inputs = Object.fromEntries(reads.map(([reference], index) => [`in${index}`, reference]));
  const bareReads = reads.map(([, id, port], index) => [`in${index}`, id, port] as const);
  const program = (index: number, more: object, declared = OUT, extra: readonly unknown[] = []) => ({
    kind: 'command',
    with: {
      argv: [
        `label=${part.label}${index}`,
        knobOf(index),
        `note=${part.notes[index] ?? 0}`,
        `values=${VALUES}`,
        ...extra,
      ],
      outputs: declared,
      ...(index === 0 && part.file !== undefined ? { files: [fileName(part.file)] } : {}),
    },
    ...(part.retry === 0 ? {} : { retry: part.retry, timeout: `${part.retry}h` }),
    ...more,
  });
  const knobOf = (index: number): unknown =>
    index === 0 && part.param !== undefined ? { $param: paramName(part.param) } : knobWord(part.knobs[index] ?? 0);
  const bare = (
    id: string,
    index: number,
    more: Partial<BareStage>,
    declared = OUT,
    extra: readonly string[] = [],
  ) => ({
    id,
    kind: 'job' as const,
    argv: [
      `label=${part.label}${index}`,
      knobWord((index === 0 && part.param !== undefined ? params[part.param] : part.knobs[index]) ?? 0),
      `note=${part.notes[index] ?? 0}`,
      `values=${VALUES}`,
      ...extra,
    ],
    declared,
    files: index === 0 && part.file !== undefined ? [fileName(part.file)] : [],
    reads: [],
    after: [],
    ...more,
  });
  const decision = (first: string, other: string) => ({
    json: {
      kind: 'gate',
      inputs: { metrics: `${work}.metrics` },
      cases: [
        { name: first, criteria: [{ metric: 'score', atLeast: part.threshold }] },
        { name: other, else: true },
      ],
    },
    bare: engineStage(gate, 'gate', {
      reads: [['metrics', work, 'metrics']],
      cases: { atLeast: part.threshold, first, other },
    }),
  });
  const first = { json: program(0, { inputs }), bare: bare(work, 0, { reads: bareReads }) };

  switch (part.kind) {
    case 'job':
      return { json: { [work]: first.json }, bare: [first.bare], result: [`${work}.out`, work, 'out'] };
    case 'waiter': {
      // It reads nothing of the others and only waits for them.
      const after = reads.map(([reference]) => reference.replace(/\..*$/, ''));
      return {
        json: { [work]: program(0, after.length === 0 ? {} : { after }) },
        bare: [bare(work, 0, { after: reads.map(([, id]) => ({ id })) })],
        result: [`${work}.out`, work, 'out'],
      };
    }
    case 'branch': {
      const check = decision('pass', 'short');
      const oneOf = { pass: [work, 'out'], short: [tune, 'out'] } as const;
      return {
        json: {
          [work]: first.json,
          [gate]: check.json,
          [tune]: program(1, { inputs: { in: `${work}.out` }, after: `${gate}:short` }),
          [join]: {
            kind: 'select',
            inputs: {
              out: {
                oneOf: [
                  { when: `${gate}:pass`, from: `${work}.out` },
                  { when: `${gate}:short`, from: `${tune}.out` },
                ],
              },
            },
          },
        },
        bare: [
          first.bare,
          check.bare,
          bare(tune, 1, { reads: [['in', work, 'out']], after: [{ id: gate, case: 'short' }] }),
          engineStage(join, 'select', { oneOf: { gate, at: oneOf } }),
        ],
        result: [`${join}.out`, join, 'out'],
      };
    }
    case 'fan': {
      const instances = FAN.map((key) => bare(`${work}[${key}]`, 0, { reads: bareReads }, TREE, [`key=${key}`]));
      return {
        json: {
          [work]: program(0, { forEach: [...FAN], inputs }, TREE, [FAN_WORD]),
          [tune]: program(1, { inputs: { all: { collect: `${work}.out` } } }),
        },
        bare: [
          ...instances,
          bare(tune, 1, { reads: FAN.map((key) => [`all[${key}]`, `${work}[${key}]`, 'out'] as const) }),
        ],
        result: [`${tune}.out`, tune, 'out'],
      };
    }
    case 'halt': {
      const check = decision('go', 'halt');
      return {
        json: {
          [work]: first.json,
          [gate]: check.json,
          [tune]: { kind: 'stop', after: `${gate}:halt`, with: { reason: 'too low' } },
        },
        bare: [first.bare, check.bare, engineStage(tune, 'stop', { after: [{ id: gate, case: 'halt' }] })],
        result: [`${work}.out`, work, 'out'],
      };
    }
  }
}

const FAN_WORD = {
  $choose: [
    { $equals: [{ $key: true }, 'x'] },
    'key=x',
    { $choose: [{ $equals: [{ $key: true }, 'y'] }, 'key=y', 'key=z'] },
  ],
};

function engineStage(id: string, kind: BareStage['kind'], more: Partial<BareStage>): BareStage {
  return { id, kind, argv: [], declared: {}, files: [], reads: [], after: [], ...more };
}

/** @param order shuffles the order of keys everywhere; 0 leaves it. */
export function workflowText(drawing: Drawing, order: number, indent: number): string {
  const stages = Object.assign({}, ...writtenParts(drawing).map(({ json }) => json)) as object;
  const params = Object.fromEntries(drawing.params.map((_, index) => [paramName(index), knobWord(0)]));
  const workflow = { name: 'random', params, stages };
  return JSON.stringify(order === 0 ? workflow : shuffled(workflow, order), null, indent);
}

export function bareStages(drawing: Drawing): readonly BareStage[] {
  return writtenParts(drawing).flatMap(({ bare }) => bare);
}

function shuffled(value: unknown, order: number): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, order));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, inner]) => [name, shuffled(inner, order)] as const);
  const turn = order % entries.length;
  return Object.fromEntries([...entries.slice(turn), ...entries.slice(0, turn)].reverse());
}
