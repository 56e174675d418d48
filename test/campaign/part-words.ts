// What the programs of a part are told, in both forms: labels, knobs, arguments of templates; and what its first stages read.
import type { BareStage, Read } from './bare-stage.ts';
import { fileName, knobWord, paramName, type Drawing, type Part } from './drawing.ts';
import type { LadderArgs, LoopWords, Result } from './write-groups.ts';
import { bareProgram, plain, program, VALUES, type Word } from './write-program.ts';

export class PartWords {
  readonly part: Part;
  readonly drawing: Drawing;
  readonly reads: readonly Result[];
  /** What the first stages read, as written and as bare stages' ports. */
  readonly inputs: { readonly json: object; readonly bare: readonly Read[] };
  readonly work: string;
  readonly check: string;
  readonly tune: string;
  readonly join: string;

  constructor(part: Part, drawing: Drawing, reads: readonly Result[]) {
    this.part = part;
    this.drawing = drawing;
    this.reads = reads;
    this.inputs = joined(part, reads);
    const named = (name: string): string => `${name}-${part.label}${part.suffix}`;
    [this.work, this.check, this.tune, this.join] = [named('work'), named('gate'), named('tune'), named('join')];
  }

  /** The first program, which reads what the part reads. */
  get first(): { readonly json: object; readonly bare: BareStage } {
    const own = { file: this.file };
    return {
      json: program(this.words(0), { ...own, retry: this.part.retry, inputs: this.inputs.json }),
      bare: bareProgram(this.work, this.words(0), { ...own, reads: this.inputs.bare }),
    };
  }

  get file(): string | undefined {
    return this.part.file === undefined ? undefined : fileName(this.part.file);
  }

  label(index: number): Word {
    return plain(`label=${this.part.label}${index}`);
  }

  knob(index: number): Word {
    const { param, knobs } = this.part;
    if (index !== 0 || param === undefined) return plain(knobWord(knobs[index] ?? 0));
    return [{ $param: paramName(param) }, knobWord(this.drawing.params[param] ?? 0)];
  }

  words(index: number): readonly Word[] {
    return [this.label(index), this.knob(index), plain(`note=${this.part.notes[index] ?? 0}`), VALUES];
  }

  get threshold(): Word {
    return [this.part.threshold, String(this.part.threshold)];
  }

  /** @param index of the first of the two programs. */
  ladderArgs(index: number): LadderArgs {
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

  loopWords(): LoopWords {
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
