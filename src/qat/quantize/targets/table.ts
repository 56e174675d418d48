// What a placement table says of a target. Data only; `placement.ts` reads it. The tables are one file per target beside this.

/**
 * What happens at an operator's output:
 *  quantiser     a quantiser of its own;
 *  keeps-grid    none: values are moved or chosen, so they lie on the first input's grid;
 *  shares-scale  none: the quantisers of all its inputs use one scale, that of what is put together;
 *  float         it stays float, and a quantiser follows only where an integer operator or a boundary reads it;
 *  no-feature    it is no feature map (shapes, indices, truth values) and is never quantised.
 */
export type OutputRule = 'quantiser' | 'keeps-grid' | 'shares-scale' | 'float' | 'no-feature';

export interface TargetTable {
  readonly target: Target;
  /**
   * By operator; `domain.Op` outside the standard domain, spelled-out activations by their name (SiLU). Resize and GridSample
   * are told apart by mode, `Resize(linear)`, and a Pad with another value than 0 is `Pad(value)`.
   */
  readonly outputs: { readonly [operator: string]: OutputRule };
  /** Activations that a layer's kernel applies itself: no quantiser stands between. Any other one has its input quantised. */
  readonly fusedActivations: ReadonlySet<string>;
  /** Whether a layer's kernel also adds the other branch of a residual (layer + Add + Relu): one quantiser after all of it. */
  readonly fusesAdd: boolean;
  /** 'int32': on the grid of the accumulators; 'float': as it is, without a quantiser. */
  readonly bias: 'int32' | 'float';
  readonly formats: {
    readonly weights: readonly number[];
    readonly activations: readonly number[];
    /** Whether values that cannot be negative may use an unsigned format. */
    readonly unsigned: boolean;
  };
}

export type Target = 'journey6' | 'onnxruntime' | 'tensorrt';

/** One rule for many operators. */
export function each(operators: readonly string[], rule: OutputRule): { readonly [operator: string]: OutputRule } {
  return Object.fromEntries(operators.map((operator) => [operator, rule]));
}
