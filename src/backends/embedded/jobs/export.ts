// The `export` job: the merged model as QDQ ONNX, and the export proof: run unoptimised, the file's outputs equal the
// VALIDATION forward bit for bit on the gate images. With the runtime's optimisations on, the difference is measured.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JobRequest } from '../../../events/job-protocol.ts';
import type { KernelCount } from '../../../qat/export/integer-kernels.ts';
import { exportQdq } from '../../../qat/export/qdq.ts';
import { createSession } from '../../../qat/runtime/onnxruntime.ts';
import type { JsonObject } from '../../../support/json.ts';
import { ForwardRunner, valueShapesOf } from '../forward-runner.ts';
import { inputPath, readDataset } from '../inputs.ts';
import { INT8_OPTION, startIntegerRuntime } from '../integer-runtime.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { JobError } from '../job-error.ts';
import { readMerged } from '../merged-model.ts';
import { writeJson, writeModel, writeReport } from '../outputs.ts';
import { writeForms } from '../export-forms.ts';
import { noteCarried, runnableFile } from '../runnable-file.ts';
import { compareForwards, describeDifference, exportedForwardOf, forwardOf } from '../probe.ts';
import type { Forward, ProbeResult } from '../probe.ts';
import { measureGap, measureSaturation } from '../runtime-gap.ts';
import type { RuntimeGap, ValueGap } from '../runtime-gap.ts';
import { settingsOf } from '../settings.ts';
import type { ExportSettings } from '../settings.ts';
import { outputOf } from '../tasks.ts';

export async function runExport(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = settingsOf<ExportSettings>(request.settings);
  const { batch, probe, tasks, opset } = settings;
  const { network, scopes } = await readMerged(inputPath(request, 'merged'));
  const outputs = Object.values(network.scopes.heads).flatMap((head) => head.outputs);
  const reference = await ForwardRunner.start({ network, scopes, outputs, batch, threads: request.threads });
  const shapes = await valueShapesOf(network, reference, batch);
  const { graph, scales } = exportQdq(network, scopes, shapes, 'qdq', opset ?? undefined);
  const bytes = await writeModel(context.outDir, 'model.onnx', graph, network);
  const table = await writeJson(context.outDir, 'scales.json', {
    format: 'headgate-scales',
    version: 1,
    scales: scales.map((row) => ({ ...row })),
  });

  await noteCarried(context, network.tail, network.graph.opset);
  const forms = await writeForms(context, settings, { network, scopes, shapes, scales });
  const sameNumbers: [string, Forward][] = [];
  const runnable = await runnableFile(bytes, graph);
  const plain = await createSession(runnable, { threads: request.threads, optimisation: 'disabled' });
  const integer = await startIntegerRuntime(context, runnable, request.threads, false);
  const int8 = await startIntegerRuntime(context, runnable, request.threads, true);
  const validation = forwardOf(network, reference);
  sameNumbers.push(['the exported file', exportedForwardOf(network, plain)]);
  if (forms['tensorrt'] !== undefined) {
    const session = await createSession(await runnableFile(await readFile(join(context.outDir, forms['tensorrt']))), {
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
    const output = outputOf(network, task);
    const gap = await measureGap({
      task,
      dataset,
      batch,
      images: probe,
      output,
      validation,
      optimised: exportedForwardOf(network, integer.session),
      int8: exportedForwardOf(network, int8.session),
    });
    const kernels = { optimised: integer.kernelsOf(output), int8Activations: int8.kernelsOf(output) };
    const saturation = await measureSaturation(network, scopes, task, dataset, { batch, threads: request.threads });
    // Proven above, on these very images.
    const unoptimised = { differing: 0, largest: 0, largestSteps: 0 };
    heads[task.name] = { images, values, unoptimised, ...gap, integerKernels: kernels, saturation };
    const text = `${task.name}: ${values} output values of ${images} gate images bit-equal, unoptimised; ${gapText(gap, kernels, integer.refusal === undefined)}`;
    context.emit({ type: 'proof', proof: { name: 'export', held: true, text } });
    context.emit({ type: 'progress', unit: 'step', done: index + 1, total: tasks.length });
  }
  await Promise.all([reference, plain, integer.session, int8.session].map((session) => session.release()));
  const { refusal } = integer;
  const defaultSession =
    refusal === undefined ? { accepts: true } : { accepts: false, refusal, measuredWith: { [INT8_OPTION]: '1' } };
  const report = await writeReport(context, 'export', { heads, defaultSession }, 2);
  return {
    status: 'succeeded',
    outputs: { onnx: 'model.onnx', scales: table, ...forms, report },
    summary: { bytes: bytes.length, quantisers: scales.length },
  };
}

interface Kernels {
  readonly optimised: KernelCount | null;
  readonly int8Activations: KernelCount | null;
}

/** @param accepted whether the runtime's default session takes the file. */
function gapText(gap: RuntimeGap, kernels: Kernels, accepted: boolean): string {
  const { metric, validation, deployed } = gap;
  const accuracy =
    validation === null || deployed === null ? '' : `, ${metric} ${validation.toFixed(4)} → ${deployed.toFixed(4)}`;
  const session = accepted ? 'optimised' : `optimised, with ${INT8_OPTION},`;
  const usual = `${session} ${differText(gap.optimised)}${accuracy}${kernelText(kernels.optimised)}`;
  // Only where it makes a difference: formats without integer kernels run in float either way.
  if (!accepted || kernels.int8Activations === null || kernels.int8Activations.integer === 0) return usual;
  return `${usual}; with ${INT8_OPTION} ${differText(gap.int8Activations)}${kernelText(kernels.int8Activations)}`;
}

function differText({ differing, largest, largestSteps }: ValueGap): string {
  return `${percent(differing)} differ, by at most ${largest.toPrecision(3)} (${largestSteps.toFixed(1)} int8 steps)`;
}

function kernelText(kernels: KernelCount | null): string {
  return kernels === null ? '' : `, integer kernels: ${kernels.integer} of ${kernels.layers} layers`;
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(2)} %`;
}
