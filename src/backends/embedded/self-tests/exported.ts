// Self-test of export: the merged model's QDQ file, run unoptimised, gives VALIDATION's outputs of every head bit for bit.
import { exportQdq } from '../../../qat/export/qdq.ts';
import { compareOutputs } from '../../../qat/freeze/compare.ts';
import { encodeModel } from '../../../qat/onnx/codec.ts';
import { createSession } from '../../../qat/runtime/onnxruntime.ts';
import { describeDifference, exportedForwardOf } from '../probe.ts';
import { runnableFile } from '../runnable-file.ts';
import { fails, holds, runOnce } from './self-test.ts';
import type { SelfTest } from './self-test.ts';

export const exported: SelfTest = async (subject) => {
  const { network, scopes, request, images } = subject;
  const reference = await runOnce(subject, scopes);
  const shapes = new Map([...reference].map(([name, { shape }]) => [name, shape.slice(1)]));
  const { graph } = exportQdq(network, scopes, shapes);
  const session = await createSession(await runnableFile(encodeModel(graph), graph), {
    threads: request.threads,
    optimisation: 'disabled',
  });
  const { differences, values } = compareOutputs(reference, await exportedForwardOf(network, session)(images));
  await session.release();
  const [difference] = differences;
  if (difference !== undefined) return fails(`the exported file differs: ${describeDifference(difference)}`);
  return holds(`${values} output values of the exported file bit-equal to VALIDATION, unoptimised`);
};
