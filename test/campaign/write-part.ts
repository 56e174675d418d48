// A part of a drawing in two forms: the stages that a user would write, and the bare stages that they come to.
import { FanOutWriter } from './write-fan-outs.ts';
import { engineStage, type After, type BareStage } from './bare-stage.ts';
import type { Drawing, Part } from './drawing.ts';
import {
  ladderName,
  ladderUse,
  loop,
  nestName,
  nestUse,
  written,
  writtenNest,
  type Fragment,
  type Result,
} from './write-groups.ts';
import { bareProgram, gate, program, select } from './write-program.ts';

export function writePart(part: Part, drawing: Drawing, reads: readonly Result[]): Fragment {
  return new PartWriter(part, drawing, reads).fragment();
}

class PartWriter extends FanOutWriter {
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
}

interface Branch {
  readonly json: object;
  readonly bare: readonly BareStage[];
  readonly result: Result;
}
