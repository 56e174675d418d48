// The `model` job: writes a built-in architecture as a float ONNX model with seeded weights and its scopes.
import type { JobRequest } from '../../../events/job-protocol.ts';
import { networkOf } from '../../../qat/network/network.ts';
import { buildDepthwiseSeparable } from '../../../qat/models/depthwise-separable.ts';
import type { HeadSettings } from '../../../qat/models/heads.ts';
import { elementCount } from '../../../support/tensor.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { writeModel } from '../outputs.ts';
import { settingsOf } from '../settings.ts';

interface ModelSettings {
  readonly architecture: 'depthwise-separable';
  readonly input: readonly [number, number, number];
  readonly width: number;
  readonly heads: { readonly [name: string]: HeadSettings };
}

export async function runModel(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const { input, width, heads } = settingsOf<ModelSettings>(request.settings);
  const graph = buildDepthwiseSeparable({ input, width, heads, seed: request.seed });
  await writeModel(context.outDir, 'model.onnx', graph);
  const parameters = networkOf(graph).parameters.reduce((sum, parameter) => sum + elementCount(parameter.shape), 0);
  return { status: 'succeeded', outputs: { model: 'model.onnx' }, summary: { parameters, heads: Object.keys(heads) } };
}
