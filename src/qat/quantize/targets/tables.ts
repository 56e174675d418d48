// The placement tables by name of the target.
import { journey6 } from './journey6.ts';
import { onnxruntime } from './onnxruntime.ts';
import type { Target, TargetTable } from './table.ts';
import { tensorrt } from './tensorrt.ts';

export const DEFAULT_TARGET: Target = 'onnxruntime';

export const targetTables: { readonly [target in Target]: TargetTable } = { journey6, onnxruntime, tensorrt };
