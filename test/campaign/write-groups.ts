// Templates and loops of a random workflow: written once, and as all the bare stages that they come to.
import { engineStage, type After, type BareStage, type Read } from './bare-stage.ts';
import { knobWord, type Drawing, type Part } from './drawing.ts';
import { bareProgram, gate, plain, program, select, VALUES, type Word } from './write-program.ts';

/** A result: as written, and as a bare stage's port. */
export type Result = readonly [reference: string, id: string, port: string];

export interface Fragment {
  readonly json: { readonly [stage: string]: object };
  readonly bare: readonly BareStage[];
  /** What later parts read. */
  readonly result: Result;
}

export interface LadderArgs {
  readonly label: Word;
  readonly tune: Word;
  readonly knob: Word;
  readonly second: Word;
  readonly note: Word;
  readonly key: Word;
  readonly atLeast: Word;
}

const arg = (name: string): unknown => ({ $arg: name });
const INPUTS = ['in', 'in0', 'in1', 'in2'];
const given = Object.fromEntries(INPUTS.map((port) => [port, `inputs.${port}`]));
const optional = Object.fromEntries(INPUTS.map((port) => [port, { optional: true }]));
/** Long argument lists are written once: a default, and the name under which it is given. */
const LADDER_ARGS: { readonly [name in keyof LadderArgs]: unknown } = {
  label: 'label=',
  tune: 'label=',
  knob: 'k0',
  second: 'k0',
  note: 'note=0',
  key: 'key=',
  atLeast: 1,
};

export const ladderName = ({ inner }: Drawing): string => `ladder${inner}`;
export const nestName = ({ inner }: Drawing): string => `nest${inner}`;
const innerNames = ({ inner }: Drawing) => ({ work: `work${inner}`, check: `check${inner}`, tune: `tune${inner}` });

/** Measure, judge, tune what falls short, join: a template. */
function ladderTemplate(drawing: Drawing): object {
  const { work, check, tune } = innerNames(drawing);
  const ladder = ladderStages('', drawing, LADDER_WORDS, { reads: [], after: [] });
  return {
    args: LADDER_ARGS,
    inputs: optional,
    stages: {
      [work]: program(ladder.words.work, { inputs: given }),
      [check]: ladder.check.json,
      [tune]: program(ladder.words.tune, { inputs: { in: `${work}.out` }, after: `${check}:short` }),
      join: ladder.join.json,
    },
    outputs: { out: 'join.out' },
  };
}

const LADDER_WORDS: LadderArgs = {
  label: [arg('label'), ''],
  tune: [arg('tune'), ''],
  knob: [arg('knob'), ''],
  second: [arg('second'), ''],
  note: [arg('note'), ''],
  key: [arg('key'), ''],
  atLeast: [arg('atLeast'), ''],
};

interface Around {
  readonly reads: readonly Read[];
  readonly after: readonly After[];
}

function ladderStages(prefix: string, drawing: Drawing, args: LadderArgs, around: Around) {
  const names = innerNames(drawing);
  const shared = plain(`shared=${knobWord(drawing.shared)}`);
  const words = {
    work: [args.label, args.knob, args.note, VALUES, shared, args.key],
    tune: [args.tune, args.second, VALUES, shared, args.key],
  };
  const [work, tune] = [`${prefix}${names.work}`, `${prefix}${names.tune}`];
  const { after } = around;
  const check = gate(`${prefix}${names.check}`, {
    of: `${names.work}.metrics`,
    read: [work, 'metrics'],
    atLeast: args.atLeast,
    cases: ['pass', 'short'],
    after,
  });
  const join = select(
    `${prefix}join`,
    names.check,
    check.bare.id,
    { pass: [`${names.work}.out`, work, 'out'], short: [`${names.tune}.out`, tune, 'out'] },
    after,
  );
  return { words, work, tune, check, join };
}

/** The stages of one use of the template; the last one holds its output. */
export function ladderUse(prefix: string, drawing: Drawing, args: LadderArgs, around: Around): readonly BareStage[] {
  const { words, work, tune, check, join } = ladderStages(prefix, drawing, args, around);
  const short = [{ id: check.bare.id, case: 'short' }, ...around.after];
  return [
    bareProgram(work, words.work, around),
    check.bare,
    bareProgram(tune, words.tune, { reads: [['in', work, 'out']], after: short }),
    join.bare,
  ];
}

export function written(args: object): object {
  return Object.fromEntries(Object.entries(args).map(([name, [value]]: [string, Word]) => [name, value]));
}

export interface LoopWords {
  /** Of the body's program, and of the template in its place with the program that measures it. */
  readonly step: Word;
  readonly measure: Word;
  readonly knob: Word;
  readonly ladder: LadderArgs;
  readonly atLeast: Word;
  readonly bound: Word;
  readonly exhausted: Word;
}

const ITERATION = { $iteration: true };
const iterationWord = ['key=i0', 'key=i1', 'key=i2'].reduceRight<unknown>(
  (rest, word, k) => ({ $choose: [{ $equals: [ITERATION, k] }, word, rest] }),
  'key=i3',
);

/** @param first what the first iteration reads. @param after of the loop, and of what is around it. */
export function loop(
  path: string,
  drawing: Drawing,
  { numbered, templated }: Pick<Part, 'numbered' | 'templated'>,
  words: LoopWords,
  first: Result,
  after: readonly After[],
): { readonly json: object; readonly bare: readonly BareStage[]; readonly result: readonly [string, string] } {
  const bound = Number(words.bound[1]);
  const key = (k: number): Word => (numbered ? [iterationWord, `key=i${k}`] : plain('key='));
  const stepWords = (k: number): readonly Word[] => [words.step, words.knob, VALUES, key(k)];
  const measureWords = (k: number): readonly Word[] => [words.measure, VALUES, key(k)];
  const measured = templated ? 'measure' : 'step';
  const until = (k: number): string => `${path}/until[${k}]`;
  const outOf = (k: number): readonly [string, string] => [
    templated ? `${path}/body[${k}]/step/join` : `${path}/body[${k}]/step`,
    'out',
  ];
  const last = bound - 1;
  const action = words.exhausted[1];
  const iterations = Array.from({ length: bound }, (_, k): readonly BareStage[] => {
    const inside = k === 0 ? after : [{ id: until(k - 1), case: 'again' }, ...after];
    const [from, port] = k === 0 ? [first[1], first[2]] : outOf(k - 1);
    const body = `${path}/body[${k}]`;
    const around: Around = { reads: [[templated ? 'in0' : 'w', from, port]], after: inside };
    const stages = templated
      ? [
          ...ladderUse(`${body}/step/`, drawing, { ...words.ladder, key: key(k) }, around),
          bareProgram(`${body}/measure`, measureWords(k), { reads: [['w', ...outOf(k)]], after: inside }),
        ]
      : [bareProgram(`${body}/step`, stepWords(k), around)];
    const cases = {
      atLeast: Number(words.atLeast[1]),
      first: 'done',
      other: k === last ? 'exhausted' : 'again',
      fails: k === last && action === 'fail',
    };
    const metrics: Read = ['metrics', `${body}/${measured}`, 'metrics'];
    return [...stages, engineStage(until(k), 'gate', { reads: [metrics], after, cases })];
  });
  const exhausted = [{ id: until(last), case: 'exhausted' }, ...after];
  const candidates = Array.from({ length: bound }, (_, k): readonly Read[] => [
    [`metrics[${k}]`, `${path}/body[${k}]/${measured}`, 'metrics'],
    [`w[${k}]`, ...outOf(k)],
  ]).flat();
  const ends: readonly BareStage[] =
    action === 'best'
      ? [engineStage(`${path}/best`, 'best', { reads: candidates, after: exhausted })]
      : action === 'stop'
        ? [engineStage(`${path}/stop`, 'stop', { after: exhausted })]
        : [];
  const picks = Array.from({ length: bound }, (_, index): BareStage => {
    const k = last - index;
    const used: { [name: string]: readonly [string, string] } =
      k < last
        ? { again: [`${path}/pick[${k + 1}]`, 'w'] }
        : action === 'best'
          ? { exhausted: [`${path}/best`, 'w'] }
          : action === 'last'
            ? { exhausted: outOf(k) }
            : {};
    const oneOf = { port: 'w', gate: until(k), at: { done: outOf(k), ...used } };
    return engineStage(`${path}/pick[${k}]`, 'select', { oneOf, after });
  });
  const step = templated
    ? {
        kind: 'template',
        template: ladderName(drawing),
        inputs: { in0: 'carry.w' },
        with: written({ ...words.ladder, key: key(0) }),
      }
    : program(stepWords(0), { inputs: { w: 'carry.w' } });
  const measure = program(measureWords(0), { inputs: { w: 'step.out' } });
  return {
    json: {
      kind: 'loop',
      carry: { w: { first: first[0], next: 'step.out' } },
      body: { step, ...(templated ? { measure } : {}) },
      until: { metrics: `${measured}.metrics`, criteria: [{ metric: 'score', atLeast: words.atLeast[0] }] },
      maxIterations: words.bound[0],
      onExhausted: words.exhausted[0],
    },
    bare: [...iterations.flat(), ...ends, ...picks],
    result: [`${path}/pick[0]`, 'w'],
  };
}

export interface NestArgs {
  readonly pre: Word;
  readonly knob: Word;
  readonly loop: LoopWords;
  readonly ladder: LadderArgs;
}

const LOOP_ARGS: { readonly [name in Exclude<keyof LoopWords, 'ladder'>]: unknown } = {
  step: 'label=',
  measure: 'label=',
  knob: 'k0',
  atLeast: 1,
  bound: 1,
  exhausted: 'last',
};

/** A template that uses the other one and then loops: names of arguments with a word before them. */
function nestTemplate(drawing: Drawing): object {
  const named = (before: string, args: object): { [name: string]: unknown } =>
    Object.fromEntries(Object.entries(args).map(([name, value]) => [`${before}-${name}`, value as unknown]));
  const words = (before: string, args: object): object =>
    Object.fromEntries(Object.keys(args).map((name) => [name, [arg(`${before}-${name}`), '']]));
  const ladder = words('ladder', LADDER_ARGS) as LadderArgs;
  const loopLadder = words('body', LADDER_ARGS) as LadderArgs;
  const loopWords = { ...words('loop', LOOP_ARGS), ladder: loopLadder } as LoopWords;
  const around = (templated: boolean): object =>
    loop('', drawing, { numbered: true, templated }, loopWords, ['inner.out', '', ''], []).json;
  return {
    args: {
      pre: 'label=',
      knob: 'k0',
      ...named('ladder', LADDER_ARGS),
      ...named('loop', LOOP_ARGS),
      ...named('body', LADDER_ARGS),
    },
    inputs: optional,
    stages: {
      pre: program([[arg('pre'), ''], [arg('knob'), ''], VALUES], { inputs: given }),
      inner: {
        kind: 'template',
        template: ladderName(drawing),
        inputs: { in0: 'pre.out' },
        with: written(ladder),
      },
      around: around(true),
    },
    outputs: { out: 'around.w' },
  };
}

export function nestUse(path: string, drawing: Drawing, args: NestArgs, reads: readonly Read[]): readonly BareStage[] {
  const pre = bareProgram(`${path}pre`, [args.pre, args.knob, VALUES], { reads });
  const inner = ladderUse(`${path}inner/`, drawing, args.ladder, { reads: [['in0', pre.id, 'out']], after: [] });
  const around = loop(
    `${path}around`,
    drawing,
    { numbered: true, templated: true },
    args.loop,
    ['', `${path}inner/join`, 'out'],
    [],
  );
  return [pre, ...inner, ...around.bare];
}

export function writtenNest({ pre, knob, loop: { ladder: body, ...around }, ladder }: NestArgs): object {
  const named = (before: string, args: object): object =>
    Object.fromEntries(Object.entries(args).map(([name, [value]]: [string, Word]) => [`${before}-${name}`, value]));
  return { pre: pre[0], knob: knob[0], ...named('ladder', ladder), ...named('loop', around), ...named('body', body) };
}

export function templates(drawing: Drawing): { readonly [name: string]: object } {
  return { [ladderName(drawing)]: ladderTemplate(drawing), [nestName(drawing)]: nestTemplate(drawing) };
}
