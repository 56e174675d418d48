// The `export` job: the merged model as QDQ ONNX, and the export proof: run unoptimised, the file's outputs equal the
// VALIDATION forward bit for bit on the gate images. With the runtime's optimisations on, the difference is measured.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobRequest } from '../../../events/job-protocol.ts';
import { exportQdq } from '../../../qat/export/qdq.ts';
import { createSession } from '../../../qat/runtime/onnxruntime.ts';
import type { JsonObject } from '../../../support/json.ts';
import { ForwardRunner, valueShapesOf } from '../forward-runner.ts';
import { inputPath, readDataset } from '../inputs.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { JobError } from '../job-error.ts';
import { readMerged } from '../merged-model.ts';
import { writeJson, writeModel, writeReport } from '../outputs.ts';
import { writeForms } from '../export-forms.ts';
import { compareForwards, describeDifference, exportedForwardOf, forwardOf } from '../probe.ts';
import type { Forward, ProbeResult } from '../probe.ts';
import { measureGap, measureSaturation } from '../runtime-gap.ts';
import { settingsOf } from '../settings.ts';
import type { ExportSettings } from '../settings.ts';
import { outputOf } from '../tasks.ts';

export async function runExport(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = settingsOf<ExportSettings>(request.settings);
  const { batch, probe, tasks } = settings;
  const { network, scopes } = await readMerged(inputPath(request, 'merged'));
  const outputs = Object.values(network.scopes.heads).flatMap((head) => head.outputs);
  const reference = await ForwardRunner.start({ network, scopes, outputs, batch, threads: request.threads });
  const shapes = await valueShapesOf(network, reference, batch);
  const { graph, scales } = exportQdq(network, scopes, shapes);
  const bytes = await writeModel(context.outDir, 'model.onnx', graph);
  const table = await writeJson(context.outDir, 'scales.json', {
    format: 'headgate-scales',
    version: 1,
    scales: scales.map((row) => ({ ...row })),
  });

  const forms = await writeForms(context, settings, { network, scopes, shapes, scales });
  const sameNumbers: [string, Forward][] = [];
  const plain = await createSession(bytes, { threads: request.threads, optimisation: 'disabled' });
  const optimised = await createSession(bytes, { threads: request.threads, optimisation: 'all' });
  const validation = forwardOf(network, reference);
  sameNumbers.push(['the exported file', exportedForwardOf(network, plain)]);
  if (forms['tensorrt'] !== undefined) {
    const session = await createSession(await readFile(join(context.outDir, forms['tensorrt'])), {
      threads: request.threads,
      optimisation: 'disabled',
    });
    sameNumbers.push(['the TensorRT form', exportedForwardOf(network, session)]);
  }
  const heads: { [head: string]: JsonObject } = {};
  for (const [index, task] of tasks.entries()) {
    if (context.interrupted()) return { status: 'interrupted' };
    const dataset = await readDataset(request, `data[${task.name}.gate]`, network);
    let proof: ProbeResult | undefined;
    for (const [what, forward] of sameNumbers) {
      proof = await compareForwards(dataset, batch, probe, validation, forward);
      const [difference] = proof.differences;
      if (difference === undefined) continue;
      throw new JobError({
        reason: 'export-differs',
        message: `${what} differs from the VALIDATION forward: ${describeDifference(difference)}`,
        details: { ...difference },
      });
    }
    const { images = 0, values = 0 } = proof ?? {};
    const gap = await measureGap(
      dataset,
      batch,
      probe,
      outputOf(network, task),
      validation,
      exportedForwardOf(network, optimised),
    );
    const saturation = await measureSaturation(network, scopes, dataset, batch, request.threads);
    heads[task.name] = { images, values, optimised: gap, saturation };
    context.emit({
      type: 'proof',
      proof: {
        name: 'export',
        held: true,
        text: `${task.name}: ${values} output values of ${images} gate images bit-equal, unoptimised; optimised ${percent(gap.differing)} differ, by at most ${gap.largest.toPrecision(3)} (${gap.largestSteps.toFixed(1)} int8 steps)`,
      },
    });
    context.emit({ type: 'progress', unit: 'step', done: index + 1, total: tasks.length });
  }
  await Promise.all([reference.release(), plain.release(), optimised.release()]);
  const report = await writeReport(context, 'export', { heads });
  return {
    status: 'succeeded',
    outputs: { onnx: 'model.onnx', scales: table, ...forms, report },
    summary: { bytes: bytes.length, quantisers: scales.length },
  };
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(2)} %`;
}
