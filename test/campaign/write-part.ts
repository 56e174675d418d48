// A part of a drawing in two forms: the stages that a user would write, and the bare stages that they come to.
import { engineStage, type After, type BareStage, type Read } from './bare-stage.ts';
import { fileName, ITEM_KNOB, ITEMS, knobWord, paramName, type Drawing, type Part } from './drawing.ts';
import {
  ladderName,
  ladderUse,
  loop,
  nestName,
  nestUse,
  written,
  writtenNest,
  type Fragment,
  type LadderArgs,
  type LoopWords,
  type Result,
} from './write-groups.ts';
import { bareProgram, gate, OUT, plain, program, select, TREE, VALUES, type Word } from './write-program.ts';

export function writePart(part: Part, drawing: Drawing, reads: readonly Result[]): Fragment {
  return new PartWriter(part, drawing, reads).fragment();
}

class PartWriter {
  private readonly part: Part;
  private readonly drawing: Drawing;
  private readonly reads: readonly Result[];
  /** What the first stages read, as written and as bare stages' ports. */
  private readonly inputs: { readonly json: object; readonly bare: readonly Read[] };
  private readonly work: string;
  private readonly check: string;
  private readonly tune: string;
  private readonly join: string;

  constructor(part: Part, drawing: Drawing, reads: readonly Result[]) {
    this.part = part;
    this.drawing = drawing;
    this.reads = reads;
    this.inputs = joined(part, reads);
    const named = (name: string): string => `${name}-${part.label}${part.suffix}`;
    [this.work, this.check, this.tune, this.join] = [named('work'), named('gate'), named('tune'), named('join')];
  }

  fragment(): Fragment {
    const { part, work, check, tune, first } = this;
    switch (part.kind) {
      case 'job':
        return { json: { [work]: first.json }, bare: [first.bare], result: [`${work}.out`, work, 'out'] };
      case 'waiter':
        return this.waiter();
      case 'branch': {
        const after = [{ id: check, case: 'short' }];
        return this.branch({
          json: program(this.words(1), { inputs: { in: `${work}.out` }, after: `${check}:short` }),
          bare: [bareProgram(tune, this.words(1), { reads: [['in', work, 'out']], after })],
          result: [`${tune}.out`, tune, 'out'],
        });
      }
      case 'guard':
        return this.branch(part.templated ? this.guardedLadder() : this.guardedLoop());
      case 'fan':
        return this.fan();
      case 'zip':
        return this.zip();
      case 'halt': {
        const decision = this.decision('go', 'halt');
        const stop = { kind: 'stop', after: `${check}:halt`, with: { reason: 'too low' } };
        return {
          json: { [work]: first.json, [check]: decision.json, [tune]: stop },
          bare: [first.bare, decision.bare, engineStage(tune, 'stop', { after: [{ id: check, case: 'halt' }] })],
          result: [`${work}.out`, work, 'out'],
        };
      }
      case 'use': {
        const args = this.ladderArgs(0);
        const use = { kind: 'template', template: ladderName(this.drawing), inputs: this.inputs.json };
        return {
          json: { [work]: { ...use, with: written(args) } },
          bare: ladderUse(`${work}/`, this.drawing, args, { reads: this.inputs.bare, after: [] }),
          result: [`${work}.out`, `${work}/join`, 'out'],
        };
      }
      case 'sweep':
        return this.sweep();
      case 'nest': {
        const { pre, knob } = { pre: this.label(0), knob: this.knob(0) };
        const args = { pre, knob, ladder: this.ladderArgs(4), loop: this.loopWords() };
        const use = { kind: 'template', template: nestName(this.drawing), inputs: this.inputs.json };
        return {
          json: { [work]: { ...use, with: writtenNest(args) } },
          bare: nestUse(`${work}/`, this.drawing, args, this.inputs.bare),
          result: [`${work}.out`, `${work}/around/pick[0]`, 'w'],
        };
      }
      case 'loop': {
        const start: Result = [`${work}.out`, work, 'out'];
        const { json, bare, result } = loop(tune, this.drawing, part, this.loopWords(), start, []);
        return {
          json: { [work]: first.json, [tune]: json },
          bare: [first.bare, ...bare],
          result: [`${tune}.w`, ...result],
        };
      }
    }
  }

  /** The first program, which reads what the part reads. */
  private get first(): { readonly json: object; readonly bare: BareStage } {
    const own = { file: this.file };
    return {
      json: program(this.words(0), { ...own, retry: this.part.retry, inputs: this.inputs.json }),
      bare: bareProgram(this.work, this.words(0), { ...own, reads: this.inputs.bare }),
    };
  }

  private get file(): string | undefined {
    return this.part.file === undefined ? undefined : fileName(this.part.file);
  }

  private label(index: number): Word {
    return plain(`label=${this.part.label}${index}`);
  }

  private knob(index: number): Word {
    const { param, knobs } = this.part;
    if (index !== 0 || param === undefined) return plain(knobWord(knobs[index] ?? 0));
    return [{ $param: paramName(param) }, knobWord(this.drawing.params[param] ?? 0)];
  }

  private words(index: number): readonly Word[] {
    return [this.label(index), this.knob(index), plain(`note=${this.part.notes[index] ?? 0}`), VALUES];
  }

  private get threshold(): Word {
    return [this.part.threshold, String(this.part.threshold)];
  }

  /** @param index of the first of the two programs. */
  private ladderArgs(index: number): LadderArgs {
    return {
      label: this.label(index),
      tune: this.label(index + 1),
      knob: this.knob(index),
      second: this.knob(index + 1),
      note: plain(`note=${this.part.notes[0] ?? 0}`),
      key: plain('key='),
      atLeast: this.threshold,
    };
  }

  private loopWords(): LoopWords {
    const { bound, exhausted } = this.part;
    return {
      step: this.label(2),
      measure: this.label(3),
      knob: this.knob(2),
      ladder: this.ladderArgs(6),
      atLeast: this.threshold,
      bound: [bound, String(bound)],
      exhausted: plain(exhausted),
    };
  }

  private decision(pass: string, other: string) {
    const { work, check, threshold } = this;
    return gate(check, { of: `${work}.metrics`, read: [work, 'metrics'], atLeast: threshold, cases: [pass, other] });
  }

  /** It reads nothing of the others and only waits for them. */
  private waiter(): Fragment {
    const { work, file, part, reads } = this;
    const after = reads.map(([reference]) => reference.replace(/\..*$/, ''));
    const waiting = after.length === 0 ? {} : { after };
    return {
      json: { [work]: program(this.words(0), { file, retry: part.retry, ...waiting }) },
      bare: [bareProgram(work, this.words(0), { file, after: reads.map(([, id]) => ({ id })) })],
      result: [`${work}.out`, work, 'out'],
    };
  }

  private branch({ json, bare, result: [from, stage, port] }: Branch): Fragment {
    const { work, check, tune, join, first } = this;
    const decision = this.decision('pass', 'short');
    const both = select(join, check, check, { pass: [`${work}.out`, work, 'out'], short: [from, stage, port] });
    return {
      json: { [work]: first.json, [check]: decision.json, [tune]: json, [join]: both.json },
      bare: [first.bare, decision.bare, ...bare, both.bare],
      result: [`${join}.out`, join, 'out'],
    };
  }

  private guardedLadder(): Branch {
    const { work, check, tune, drawing } = this;
    const args = this.ladderArgs(4);
    const after: readonly After[] = [{ id: check, case: 'short' }];
    const use = { kind: 'template', template: ladderName(drawing), inputs: { in0: `${work}.out` } };
    return {
      json: { ...use, after: `${check}:short`, with: written(args) },
      bare: ladderUse(`${tune}/`, drawing, args, { reads: [['in0', work, 'out']], after }),
      result: [`${tune}.out`, `${tune}/join`, 'out'],
    };
  }

  private guardedLoop(): Branch {
    const { work, check, tune, drawing, part } = this;
    const start: Result = [`${work}.out`, work, 'out'];
    const after = [{ id: check, case: 'short' }];
    const around = loop(tune, drawing, part, this.loopWords(), start, after);
    return {
      json: { ...around.json, after: `${check}:short` },
      bare: around.bare,
      result: [`${tune}.w`, ...around.result],
    };
  }

  private get keys(): readonly string[] {
    return ITEMS.slice(0, this.part.items);
  }

  /** Words as items, each item's word chosen by its key; then all of them read together. */
  private fan(): Fragment {
    const { work, tune, inputs, file, keys } = this;
    const word = ITEMS.reduceRight<unknown>(
      (rest, key) => ({ $choose: [{ $equals: [{ $key: true }, key] }, `key=${key}`, rest] }),
      'key=',
    );
    const words = (key: string): readonly Word[] => [...this.words(0), [word, `key=${key}`]];
    const all: Read[] = keys.map((key) => [`all[${key}]`, `${work}[${key}]`, 'out']);
    return {
      json: {
        [work]: program(words(''), {
          declared: TREE,
          file,
          retry: this.part.retry,
          forEach: keys,
          inputs: inputs.json,
        }),
        [tune]: program(this.words(1), { inputs: { all: { collect: `${work}.out` } } }),
      },
      bare: [
        ...keys.map((key) => bareProgram(`${work}[${key}]`, words(key), { declared: TREE, file, reads: inputs.bare })),
        bareProgram(tune, this.words(1), { reads: all }),
      ],
      result: [`${tune}.out`, tune, 'out'],
    };
  }

  /** Items with settings of their own, as `forEach` and as instances. */
  private items(): readonly { readonly key: string; readonly word: string; readonly knob: string }[] {
    const { knobs } = this.part;
    return this.keys.map((key, i) => ({ key, word: `key=${key}`, knob: knobWord(knobs[ITEM_KNOB + i] ?? 0) }));
  }

  /** A fan-out that reads another one item by item, one of them a matrix without a corner; each result is named in the end. */
  private zip(): Fragment {
    const { work, tune, join, inputs, file, keys } = this;
    const one = this.items();
    const two = ['p', 'q'];
    const pairs = keys.flatMap((key) => two.map((other) => [key, other] as const)).slice(1);
    const first = (item: (typeof one)[number]): readonly Word[] => [
      this.label(0),
      [{ $each: 'knob' }, item.knob],
      VALUES,
      [{ $each: 'word' }, item.word],
    ];
    const second = ([key, other]: readonly [string, string]): readonly Word[] => [
      this.label(1),
      this.knob(1),
      VALUES,
      [{ $choose: [{ $equals: [{ $each: 'two' }, 'p'] }, 'also=p', 'also=q'] }, `also=${other}`],
      [
        ITEMS.reduceRight<unknown>(
          (rest, item) => ({ $choose: [{ $equals: [{ $each: 'one' }, item] }, `key=${item}`, rest] }),
          'key=',
        ),
        `key=${key}`,
      ],
    ];
    const [sample, pair] = [one[0], pairs[0]];
    if (sample === undefined || pair === undefined) throw new Error('a fan-out has an item');
    const matrix = { matrix: { one: keys, two }, exclude: [{ one: keys[0], two: 'p' }] };
    const named = Object.fromEntries(pairs.map(([key, other]) => [`${key}-${other}`, `${tune}[${key},${other}].out`]));
    return {
      json: {
        [work]: program(first(sample), { file, forEach: one, inputs: inputs.json }),
        [tune]: program(second(pair), { forEach: matrix, inputs: { in: `${work}.out` } }),
        [join]: program(this.words(4), { inputs: { each: { collect: named } } }),
      },
      bare: [
        ...one.map((item) =>
          bareProgram(`${work}[${item.key}]`, first(item), { declared: OUT, file, reads: inputs.bare }),
        ),
        ...pairs.map((both) =>
          bareProgram(`${tune}[${both.join(',')}]`, second(both), { reads: [['in', `${work}[${both[0]}]`, 'out']] }),
        ),
        bareProgram(join, this.words(4), {
          reads: pairs.map(([key, other]) => [`each[${key}-${other}]`, `${tune}[${key},${other}]`, 'out'] as const),
        }),
      ],
      result: [`${join}.out`, join, 'out'],
    };
  }

  /** A template for each of several items. */
  private sweep(): Fragment {
    const { work, tune, inputs, drawing } = this;
    const items = this.items();
    const args = ({ knob, word }: { readonly knob: string; readonly word: string }): LadderArgs => ({
      ...this.ladderArgs(4),
      knob: [{ $each: 'knob' }, knob],
      key: [{ $each: 'word' }, word],
    });
    const use = { kind: 'template', template: ladderName(drawing), forEach: items, inputs: inputs.json };
    const around = { reads: inputs.bare, after: [] };
    return {
      json: {
        [work]: { ...use, with: written(args({ knob: '', word: '' })) },
        [tune]: program(this.words(1), { inputs: { all: { collect: `${work}.out` } } }),
      },
      bare: [
        ...items.flatMap((item) => ladderUse(`${work}[${item.key}]/`, drawing, args(item), around)),
        bareProgram(tune, this.words(1), {
          reads: items.map(({ key }) => [`all[${key}]`, `${work}[${key}]/join`, 'out'] as const),
        }),
      ],
      result: [`${tune}.out`, tune, 'out'],
    };
  }
}

interface Branch {
  readonly json: object;
  readonly bare: readonly BareStage[];
  readonly result: Result;
}

function joined({ joined: how }: Part, reads: readonly Result[]) {
  const references = reads.map(([reference]) => reference);
  const bare = (port: (index: number) => string): readonly Read[] =>
    reads.map(([, id, from], index) => [port(index), id, from]);
  if (reads.length === 0) return { json: {}, bare: [] };
  switch (how) {
    case 'apart':
      return {
        json: Object.fromEntries(references.map((reference, index) => [`in${index}`, reference])),
        bare: bare((index) => `in${index}`),
      };
    case 'all':
      return { json: { in: { all: references } }, bare: bare((index) => `in[${index}]`) };
    case 'collect': {
      const named = Object.fromEntries(references.map((reference, index) => [`k${index}`, reference]));
      return { json: { in: { collect: named } }, bare: bare((index) => `in[k${index}]`) };
    }
  }
}
