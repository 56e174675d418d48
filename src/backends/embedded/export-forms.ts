// The hand-over forms of the `export` job, each written under its port's name: a float model with encodings, a QDQ model for
// TensorRT (proven like the main one), the table of scales as CSV.
import { join } from 'node:path';
import { encodingsOf } from '../../qat/export/encodings.ts';
import { exportFloat } from '../../qat/export/float-model.ts';
import { exportQdq } from '../../qat/export/qdq.ts';
import type { ScaleRow } from '../../qat/export/qdq.ts';
import { scalesCsv } from '../../qat/export/scale-table.ts';
import type { Network } from '../../qat/network/network.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import { writeFileAtomic } from '../../support/atomic-file.ts';
import type { JobContext } from './job-context.ts';
import { writeModel } from './outputs.ts';
import type { ExportSettings } from './settings.ts';

export interface FormRequest {
  readonly network: Network;
  readonly scopes: ReadonlyMap<string, ScopeForward>;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly scales: readonly ScaleRow[];
}

/** @returns port → file. @throws ExportError for a form that the model cannot have. */
export async function writeForms(
  { outDir }: JobContext,
  { forms = [], encodings = '0.6.1' }: ExportSettings,
  { network, scopes, shapes, scales }: FormRequest,
): Promise<{ readonly [port: string]: string }> {
  const written: { [port: string]: string } = {};
  const text = async (form: string, file: string, content: string): Promise<void> => {
    await writeFileAtomic(join(outDir, file), new TextEncoder().encode(content));
    written[form] = file;
  };
  if (forms.includes('csv')) await text('csv', 'scales.csv', scalesCsv(scales));
  if (forms.includes('encodings'))
    await text('encodings', 'model.encodings', `${JSON.stringify(encodingsOf(scales, encodings), null, 2)}\n`);
  if (forms.includes('float')) {
    const parameters = new Map([...scopes.values()].flatMap(({ checkpoint }) => [...checkpoint.parameters]));
    await writeModel(outDir, 'float.onnx', exportFloat(network, parameters, shapes), network);
    written['float'] = 'float.onnx';
  }
  if (forms.includes('tensorrt')) {
    await writeModel(outDir, 'tensorrt.onnx', exportQdq(network, scopes, shapes, 'tensorrt').graph, network);
    written['tensorrt'] = 'tensorrt.onnx';
  }
  return written;
}
