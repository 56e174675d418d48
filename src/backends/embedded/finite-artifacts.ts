// No NaN and no infinity leaves the embedded backend in an artifact: looked at where artifacts are written (outputs.ts,
// merged-model.ts), whatever made them. Constants that a model brought along are its own: a mask may hold −∞; a NaN may not.
import type { GraphIr, IrTensor } from '../../qat/onnx/ir.ts';
import type { Json } from '../../support/json.ts';
import type { Tensor } from '../../support/tensor.ts';
import { JobError } from './job-error.ts';

/** @throws JobError 'not-finite' naming file, tensor and place. */
export function refuseNonFinite(file: string, tensors: ReadonlyMap<string, Tensor>): void {
  for (const [name, tensor] of tensors) refuseIn(file, name, tensor, Number.isFinite);
}

/** @param carried constants of the model that the graph was made of, which may be infinite. */
export function refuseNonFiniteGraph(file: string, { initializers }: GraphIr, carried: ReadonlySet<IrTensor>): void {
  for (const [name, tensor] of initializers)
    refuseIn(file, name, tensor, carried.has(tensor) ? (value) => !Number.isNaN(value) : Number.isFinite);
}

/** @throws JobError 'not-finite' naming the field. */
export function refuseNonFiniteJson(file: string, value: Json, path = ''): void {
  if (typeof value === 'number' && !Number.isFinite(value)) throw refused(file, `field "${path}"`, value);
  if (value === null || typeof value !== 'object') return;
  for (const [key, inner] of Object.entries(value)) refuseNonFiniteJson(file, inner, `${path}/${key}`);
}

function refuseIn(file: string, name: string, { dtype, data }: IrTensor, allows: (value: number) => boolean): void {
  if (dtype !== 'float32' && dtype !== 'float64') return;
  // A loop, not findIndex: tensors of millions of values pass here.
  for (let index = 0; index < data.length; index++) {
    const value = data[index] as number;
    if (!allows(value)) throw refused(file, `tensor "${name}" at index ${index}`, value);
  }
}

function refused(file: string, place: string, value: number): JobError {
  return new JobError({ reason: 'not-finite', message: `${file} would hold ${value} in ${place}` });
}
