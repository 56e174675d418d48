// Which outputs of a plan people take away, and under which names: one rule, told in docs/outputs.md. What the workflow's
// `outputs` name; without them everything that nobody in the plan reads, that `select` or `best` has chosen, or that `export`
// or `merge` made. Verdicts of gates are decisions, which `status` and `explain` tell: only a name brings them out. Pure: it
// knows neither the store nor what came of a run.
import { extname } from 'node:path';
import type { StageId } from '../events/ids.ts';
import type { OutputRecord } from '../events/run-events.ts';
import { sourcesOf } from '../plan/bindings.ts';
import type { Plan } from '../plan/plan.ts';
import { fileNameOf, LONGEST_NAME_BYTES } from '../support/file-name.ts';
import { extensionOfType } from './extension-of-type.ts';

export interface Deliverable {
  readonly stage: StageId;
  readonly port: string;
  /** The name that the workflow gives it. */
  readonly as?: string;
}

/** Kinds that only hand on what they have chosen: read by others or not, the choice is a result. */
const CHOOSING = new Set(['select', 'best']);
/** Kinds that make what is made to be taken away, whoever reads it besides. */
const MAKING_RESULTS = new Set(['export', 'merge']);

export function deliverablesOf(plan: Plan): readonly Deliverable[] {
  if (plan.outputs !== undefined) {
    const present = new Set(plan.stages.map(({ id }) => id));
    return plan.outputs.flatMap(({ name, from }) => (present.has(from.stage) ? [{ ...from, as: name }] : []));
  }
  const read = portsRead(plan);
  return plan.stages.flatMap(({ id, kind, outputs }) => {
    const always = CHOOSING.has(kind) || MAKING_RESULTS.has(kind);
    return outputs
      .filter(({ type }) => type.artifact !== 'verdict')
      .filter(({ name }) => always || !read.has(`${id}.${name}`))
      .map(({ name }) => ({ stage: id, port: name }));
  });
}

function portsRead(plan: Plan): ReadonlySet<string> {
  const read = new Set<string>();
  for (const stage of plan.stages) {
    for (const binding of Object.values(stage.inputs)) {
      for (const { stage: producer, port } of sourcesOf(binding)) read.add(`${producer}.${port}`);
    }
  }
  return read;
}

/** `export.onnx`, `train.weights.bin`, or the workflow's own name with the extension that the output was declared with. */
export function deliveredName({ stage, port, as }: Deliverable, { name, type, tree }: OutputRecord): string {
  const extension = tree === true ? '' : extname(name ?? '') || extensionOfType(type);
  if (as !== undefined) return as.includes('.') ? as : `${as}${fileNameOf(extension)}`;
  return fileNameOf(extension === `.${port}` ? `${stage}${extension}` : `${stage}.${port}${extension}`);
}

/** Never empty, `.` or `..`, and not too long for a file system. Letters of every script stay, or their names would be one. */
export function deliveryFolderName(workflow: string): string {
  const written = workflow.normalize('NFC').replace(/[^\p{L}\p{M}\p{N}._-]+/gu, '-');
  let name = written.slice(0, 100);
  while (Buffer.byteLength(name) > LONGEST_NAME_BYTES) name = [...name].slice(0, -1).join('');
  return /^\.*$/.test(name) ? 'workflow' : name;
}
