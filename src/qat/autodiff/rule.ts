// What an operator's gradient rule is. One operator, one rule, by family under `rules/`; absence is explicit.
// Rules see nodes as opset 18 spells them (onnx/upgrade.ts brings imported graphs there), in float32.
import type { GraphBuilder } from '../onnx/builder.ts';
import type { IrNode } from '../onnx/ir.ts';

/** Domain of operators that exist only in headgate's forward graphs and are lowered before they run. */
export const HEADGATE_DOMAIN = 'headgate';

/** An operator without a gradient lies on the way from a trained parameter to the loss. */
export class GradientError extends Error {
  override readonly name = 'GradientError';

  constructor(node: IrNode, why: string) {
    super(
      `node "${node.modelName ?? node.name}" (${node.domain === '' ? '' : `${node.domain}.`}${node.op}) lies between a trained parameter and the loss: ${why}`,
    );
  }
}

export interface RuleContext {
  readonly b: GraphBuilder;
  readonly node: IrNode;
  /** Static shape of any forward value. */
  shapeOf(value: string): readonly number[];
}

export interface BackwardContext extends RuleContext {
  /** Gradients of the node's outputs; undefined where nothing flows back. */
  readonly upstream: readonly (string | undefined)[];
  /** Whether an input's gradient is wanted: rules skip the work otherwise. */
  readonly wanted: readonly boolean[];
}

export type GradientRule =
  | {
      readonly kind: 'gradient';
      /** Inputs are stretched to the first output's shape; gradients come in that shape and the walk sums them back. */
      readonly broadcasts?: true;
      /** For operators that the runtime lacks at opset 18: emits standard operators that write the node's output names. */
      readonly lower?: (context: RuleContext) => void;
      /** Forms of the operator that nothing flows back through: what they give counts as a constant. */
      readonly stops?: (node: IrNode) => boolean;
      /** One gradient per input (undefined: none). @throws GradientError for a form of the operator that has none. */
      readonly backward: (context: BackwardContext) => readonly (string | undefined)[];
    }
  /** The derivative is zero wherever it exists: nothing flows back, as in PyTorch. */
  | { readonly kind: 'no-gradient'; readonly why: string }
  /** An error where it lies between a trained parameter and the loss; elsewhere the operator runs. */
  | { readonly kind: 'refuse'; readonly why: string };

export type RuleTable = { readonly [operator: string]: GradientRule };

/** The numbers of an input that must be constant; undefined where it is omitted. @throws GradientError otherwise. */
export function constantInput({ b, node }: RuleContext, index: number): readonly number[] | undefined {
  const name = node.inputs[index];
  if (name === undefined || name === '') return undefined;
  const tensor = b.initializers.get(name);
  if (tensor === undefined) throw new GradientError(node, `its input ${index} ("${name}") is computed, not a constant`);
  return Array.from(tensor.data, Number);
}

/** 0 … rank − 1. */
export function axisOf(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** Elements of a shape, or of some of its axes. */
export function sizeOf(shape: readonly number[], axes: readonly number[] = shape.map((_, axis) => axis)): number {
  return axes.reduce((product, axis) => product * (shape[axis] as number), 1);
}

/** first, first + 1, … last − 1. */
export function axesFrom(first: number, last: number): readonly number[] {
  return Array.from({ length: Math.max(0, last - first) }, (_, index) => first + index);
}
