// The built-in model: a small depthwise-separable backbone (stem, five separable blocks down to stride 8, a top-down neck)
// with two boundary levels, and one head per task (heads.ts). Every convolution but a head's last is followed by batch norm
// and Relu.
//
//   input ─ stem s2 ─ block1 ───────────────────────────────► boundary "s2" [N, 2w, H/2, W/2]
//                        └ block2 s4 ─ block3 ─────(+)─ out4 ► boundary "s4" [N, 4w, H/4, W/4]
//                                         └ block4 s8 ─ block5 ─ lateral ─ ×2 ─┘
import { Random } from '../../support/random.ts';
import type { GraphIr } from '../onnx/ir.ts';
import { scopeMetadata } from '../network/network.ts';
import type { ScopeNames } from '../network/network.ts';
import { writeHead } from './heads.ts';
import type { HeadSettings, Level } from './heads.ts';
import { ModelWriter } from './model-writer.ts';

export interface DepthwiseSettings {
  /** [C, H, W]; H and W divisible by 8. */
  readonly input: readonly [number, number, number];
  /** Channels of the stem; the rest follows. */
  readonly width: number;
  readonly heads: { readonly [name: string]: HeadSettings };
  readonly seed: number;
}

export const MODEL_OPSET = 18;

/** @returns the float model with seeded weights (Kaiming normal, fan-in) and its scopes in the metadata. */
export function buildDepthwiseSeparable(settings: DepthwiseSettings): GraphIr {
  const [channels, height, width] = settings.input;
  const w = settings.width;
  const m = new ModelWriter(new Random(settings.seed), 'm');
  const stem = m.block('backbone.stem', 'image', channels, w, { stride: 2 });
  const s2 = m.separable('backbone.block1', stem, w, 2 * w, 1);
  const block2 = m.separable('backbone.block2', s2, 2 * w, 3 * w, 2);
  const block3 = m.separable('backbone.block3', block2, 3 * w, 4 * w, 1);
  const block4 = m.separable('backbone.block4', block3, 4 * w, 6 * w, 2);
  const block5 = m.separable('backbone.block5', block4, 6 * w, 6 * w, 1);
  const lateral = m.block('backbone.lateral', block5, 6 * w, 4 * w, { kernel: 1 });
  const merged = m.relu(
    'backbone.merged',
    m.b.emit('Add', [block3, m.upsample(lateral, 2)], {}, { outputs: ['backbone.sum'] }),
  );
  const s4 = m.separable('backbone.out4', merged, 4 * w, 4 * w, 1);
  const levels: readonly Level[] = [
    { value: s2, channels: 2 * w, stride: 2 },
    { value: s4, channels: 4 * w, stride: 4 },
  ];
  const heads: { [name: string]: { outputs: string[] } } = {};
  for (const [name, head] of Object.entries(settings.heads)) {
    heads[name] = { outputs: [writeHead(m, name, head, levels)] };
  }
  const scopes: ScopeNames = { backbone: { boundary: [s2, s4] }, heads };
  return m.b.finish({
    name: 'depthwise-separable',
    opset: MODEL_OPSET,
    inputs: [{ name: 'image', dtype: 'float32', shape: ['N', channels, height, width] }],
    outputs: Object.entries(settings.heads).map(([name, { classes, stride }]) => ({
      name: heads[name]?.outputs[0] ?? '',
      dtype: 'float32' as const,
      shape: ['N', classes, height / stride, width / stride],
    })),
    metadata: scopeMetadata(scopes),
  });
}
