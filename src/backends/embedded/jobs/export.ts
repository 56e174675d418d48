// The `export` job: the merged model as QDQ ONNX, and the export proof: run unoptimised, the file's outputs equal the
// VALIDATION forward bit for bit on the gate images. With the runtime's optimisations on, the difference is measured.
import type { JobRequest } from '../../../events/job-protocol.ts';
import { ImageBatcher, evaluationBatches } from '../../../data/batches.ts';
import type { Dataset } from '../../../data/dataset.ts';
import { exportQdq } from '../../../qat/export/qdq.ts';
import { createSession } from '../../../qat/runtime/onnxruntime.ts';
import type { JsonObject } from '../../../support/json.ts';
import type { Tensor } from '../../../support/tensor.ts';
import { ForwardRunner, valueShapesOf } from '../forward-runner.ts';
import { inputPath, readDataset } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { JobError } from '../job-error.ts';
import { readMerged } from '../merged-model.ts';
import { writeJson, writeModel, writeReport } from '../outputs.ts';
import { compareForwards, describeDifference, forwardOf } from '../probe.ts';
import type { Forward } from '../probe.ts';
import { settingsOf } from '../settings.ts';
import type { WholeModelSettings } from '../settings.ts';
import { outputOf } from '../tasks.ts';

export async function runExport(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const { batch, probe, tasks } = settingsOf<WholeModelSettings>(request.settings);
  const { network, scopes } = await readMerged(inputPath(request, 'merged'));
  const outputs = Object.values(network.scopes.heads).flatMap((head) => head.outputs);
  const reference = await ForwardRunner.start({ network, scopes, outputs, batch, threads: request.threads });
  const { graph, scales } = exportQdq(network, scopes, await valueShapesOf(network, reference, batch));
  const bytes = await writeModel(context.outDir, 'model.onnx', graph);
  const table = await writeJson(context.outDir, 'scales.json', {
    format: 'headgate-scales',
    version: 1,
    scales: scales.map((row) => ({ ...row })),
  });

  const plain = await createSession(bytes, { threads: request.threads, optimisation: 'disabled' });
  const optimised = await createSession(bytes, { threads: request.threads, optimisation: 'all' });
  const validation = forwardOf(network, reference);
  const heads: { [head: string]: JsonObject } = {};
  for (const [index, task] of tasks.entries()) {
    if (context.interrupted()) return { status: 'interrupted' };
    const dataset = await readDataset(request, `data[${task.name}.gate]`, network);
    const proof = await compareForwards(dataset, batch, probe, validation, forwardOf(network, plain));
    const [difference] = proof.differences;
    if (difference !== undefined) {
      throw new JobError({
        reason: 'export-differs',
        message: `the exported file differs from the VALIDATION forward: ${describeDifference(difference)}`,
        details: { ...difference },
      });
    }
    const gap = await measureGap(
      dataset,
      batch,
      probe,
      outputOf(network, task),
      validation,
      forwardOf(network, optimised),
    );
    heads[task.name] = { images: proof.images, values: proof.values, optimised: gap };
    context.emit({
      type: 'proof',
      proof: {
        name: 'export',
        held: true,
        text: `${task.name}: ${proof.values} output values of ${proof.images} gate images bit-equal, unoptimised; optimised ${percent(gap.differing)} differ, by at most ${gap.largest.toPrecision(3)}`,
      },
    });
    context.emit({ type: 'progress', unit: 'step', done: index + 1, total: tasks.length });
  }
  await Promise.all([reference.release(), plain.release(), optimised.release()]);
  const report = await writeReport(context, 'export', { heads });
  return {
    status: 'succeeded',
    outputs: { onnx: 'model.onnx', scales: table, report },
    summary: { bytes: bytes.length, quantisers: scales.length },
  };
}

/** How far the integer runtime strays: share of differing values, largest difference, and the outputs' largest magnitude. */
async function measureGap(
  dataset: Dataset,
  batch: number,
  images: number,
  output: string,
  left: Forward,
  right: Forward,
) {
  const batcher = new ImageBatcher(dataset);
  let [values, different, largest, magnitude] = [0, 0, 0, 0];
  for (const { indices } of evaluationBatches(Math.min(dataset.count, images), batch)) {
    const input = batcher.images(indices);
    const a = ((await left(input)).get(output) as Tensor).data as Float32Array;
    const b = ((await right(input)).get(output) as Tensor).data as Float32Array;
    for (let index = 0; index < a.length; index++) {
      const gap = Math.abs((a[index] as number) - (b[index] as number));
      values++;
      if (gap > 0) different++;
      largest = Math.max(largest, gap);
      magnitude = Math.max(magnitude, Math.abs(a[index] as number));
    }
  }
  return { differing: different / values, largest, magnitude };
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(2)} %`;
}
