// Scales of activation quantisers in a training graph: constants, or of ranges that follow the batch. A followed range moves
// first and the quantiser uses the moved one in the same step, as torch.ao's FakeQuantize does.
import { int } from '../onnx/ir.ts';
import type { Range } from '../quantize/checkpoint.ts';
import type { Placement } from '../quantize/placement.ts';
import type { ForwardEmitter } from './forward.ts';
import { emitPack } from './layout.ts';
import type { Layout } from './layout.ts';
import { emitScale } from './scale-nodes.ts';

/** Asked once per quantiser, in forward order; then `emitNext` gives the moved ranges. */
export class ActivationScales {
  private readonly placement: Placement;
  private readonly ranges: ReadonlyMap<string, Range>;
  private readonly followed: ReadonlyMap<string, string>;
  private readonly moved = new Map<string, string>();

  /**
   * @param ranges of every activation quantiser.
   * @param followed quantised value → its [min, max] in the graph; scales of all others are constants.
   */
  constructor(placement: Placement, ranges: ReadonlyMap<string, Range>, followed: ReadonlyMap<string, string>) {
    this.placement = placement;
    this.ranges = ranges;
    this.followed = followed;
  }

  /** The scale (a scalar) of the quantiser after `value`, which `carried` carries in the graph. */
  scaleFor(emitter: ForwardEmitter, value: string, carried: string): string {
    const { b } = emitter;
    const quantizer = this.placement.activations.get(value);
    const range = this.ranges.get(quantizer?.range ?? value);
    if (quantizer === undefined || range === undefined) throw new Error(`no range for activation "${value}"`);
    const state = this.followed.get(value);
    if (state === undefined) return b.scalar(range.scale);
    const next = move(emitter, state, carried);
    this.moved.set(value, next);
    const magnitude = quantizer.format.signed ? emitter.emit('Abs', [next]) : next;
    const largest = emitter.emit('ReduceMax', [magnitude], { keepdims: int(0) });
    return emitScale(emitter, largest, quantizer.format, []);
  }

  /** Emits the vector of the moved ranges. */
  emitNext({ b }: ForwardEmitter, layout: Layout): string {
    return emitPack(b, layout, ({ name }) => this.moved.get(name) as string);
  }
}

/** range ← range + c·(of this batch − range), for min and max alike. */
function move(emitter: ForwardEmitter, range: string, carried: string): string {
  const min = emitter.emit('ReduceMin', [carried], { keepdims: int(0) });
  const max = emitter.emit('ReduceMax', [carried], { keepdims: int(0) });
  const one = emitter.b.int64([1]);
  const ends = [emitter.emit('Reshape', [min, one]), emitter.emit('Reshape', [max, one])];
  const current = emitter.emit('Concat', ends, { axis: int(0) });
  const step = emitter.emit('Mul', [emitter.emit('Sub', [current, range]), 'averagingConstant']);
  return emitter.emit('Add', [range, step]);
}
