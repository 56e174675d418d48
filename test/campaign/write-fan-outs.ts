// Parts that are fan-outs, in two forms: over words, over items with settings and a matrix, and a template per item.
import { PartWords } from './part-words.ts';
import type { Read } from './bare-stage.ts';
import { ITEM_KNOB, ITEMS, knobWord } from './drawing.ts';
import { ladderName, ladderUse, written, type Fragment, type LadderArgs } from './write-groups.ts';
import { bareProgram, OUT, program, TREE, VALUES, type Word } from './write-program.ts';

export class FanOutWriter extends PartWords {
  private get keys(): readonly string[] {
    return ITEMS.slice(0, this.part.items);
  }

  /** Words as items, each item's word chosen by its key; then all of them read together. */
  fan(): Fragment {
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
  zip(): Fragment {
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
  sweep(): Fragment {
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
