// What an operator's gradient rule is. One operator, one rule, one file under `rules/`; absence is explicit.
import type { GraphBuilder } from '../onnx/builder.ts';
import type { IrNode } from '../onnx/ir.ts';

/** Domain of operators that exist only in headgate's forward graphs and are lowered before they run. */
export const HEADGATE_DOMAIN = 'headgate';

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
      /** For headgate's own operators: emits standard operators that write the node's output names. */
      readonly lower?: (context: RuleContext) => void;
      /** One gradient per input (undefined: none). The walk sums broadcast axes away. */
      readonly backward: (context: BackwardContext) => readonly (string | undefined)[];
    }
  | { readonly kind: 'no-gradient'; readonly why: string }
  | { readonly kind: 'refuse'; readonly why: string };
