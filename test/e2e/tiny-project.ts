// A folder as a user has it: a shipped workflow, its data exchanged for the tiny data set as NPY arrays, and small settings.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Json, JsonObject } from '../../src/support/json.ts';
import { encodeNpy } from '../../src/support/npy.ts';
import { BOX_CLASSES, MASK_CLASSES, SIZE, tinyDataset } from '../backends/tiny-data.ts';

const workflows = join(import.meta.dirname, '../../workflows');
const SPLITS = { train: 64, gate: 32, report: 32 } as const;

export async function makeProject(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'headgate-project-'));
  await mkdir(join(root, 'data'));
  const splits: { [split: string]: Json } = {};
  for (const [index, [split, count]] of Object.entries(SPLITS).entries()) {
    const { images, targets } = tinyDataset(split, count, index + 1);
    const [boxes, mask] = [targets.get('boxes'), targets.get('mask')];
    if (boxes?.kind !== 'boxes' || mask?.kind !== 'mask') throw new Error('the tiny data set has boxes and a mask');
    const files = {
      images: { dtype: 'uint8', shape: [count, 1, SIZE, SIZE], data: images },
      boxes: { dtype: 'float32', shape: [boxes.rows.length / 6, 6], data: boxes.rows },
      mask: { dtype: 'uint8', shape: [count, SIZE, SIZE], data: mask.values },
    } as const;
    for (const [name, tensor] of Object.entries(files))
      await writeFile(join(root, 'data', `${split}-${name}.npy`), encodeNpy(tensor));
    splits[split] = {
      images: `${split}-images.npy`,
      targets: { boxes: { file: `${split}-boxes.npy` }, mask: { file: `${split}-mask.npy` } },
    };
  }
  const description = {
    kind: 'npy',
    name: 'tiny',
    image: { mean: [0.2], std: [0.3] },
    targets: {
      boxes: { kind: 'boxes', classes: [...BOX_CLASSES] },
      mask: { kind: 'mask', classes: [...MASK_CLASSES] },
    },
    splits,
  };
  await writeFile(join(root, 'data', 'dataset.json'), JSON.stringify(description));
  return root;
}

export function removeProject(root: string): Promise<void> {
  return rm(root, { recursive: true, force: true });
}

/** Which of the tiny data's pixels are taken, as add-head.json derives it from its own. */
const OCCUPANCY: JsonObject = {
  occupancy: {
    from: 'mask',
    classes: [
      { name: 'free', of: [MASK_CLASSES[0]] },
      { name: 'occupied', of: 'others' },
    ],
  },
};

/** Every branch that trains: the thresholds send the backbone to QAT, the heads to finetuning and QAT. */
const SMALL: JsonObject = {
  batch: 16,
  backboneThreads: 1,
  trainingTask: 'detection',
  data: { counts: { train: 64, gate: 32, report: 32, calibration: 32 } },
  model: { width: 4 },
  trunk: { epochs: 12, learningRate: 0.02 },
  backbone: { qat: { epochs: 24, learningRate: 0.002 } },
  heads: {
    detection: { float: { epochs: 8, learningRate: 0.02 }, finetune: { epochs: 16 }, qat: { epochs: 24 } },
    segmentation: { float: { epochs: 8, learningRate: 0.02 }, finetune: { epochs: 16 }, qat: { epochs: 24 } },
  },
  occupancy: { float: { epochs: 8, learningRate: 0.02 }, finetune: { epochs: 2 }, qat: { epochs: 2 } },
  calibration: { batches: 2 },
  thresholds: { accept: 1000, fixed: 1000, qat: 1, admit: 1, head: 1000, finetuned: 1, merged: 1, integer: 1 },
  proof: { probe: 16 },
};

/** Writes `name` of workflows/ into the project, on the tiny data. @returns its path. */
export async function writeWorkflow(root: string, name: string, params: JsonObject = {}): Promise<string> {
  const workflow = JSON.parse(await readFile(join(workflows, name), 'utf8')) as {
    params: JsonObject;
    tasks: { [task: string]: JsonObject };
    stages: { [stage: string]: { with: { [field: string]: Json } } };
  };
  const source = {
    kind: 'npy',
    folder: 'data',
    splits: { train: {}, gate: {}, report: {}, calibration: { from: 'train', count: 32 } },
  };
  const { scenes, net } = workflow.stages;
  if (scenes === undefined) throw new Error(`${name} has no stage "scenes"`);
  const { derive } = scenes.with;
  scenes.with = { source, ...(derive === undefined ? {} : { derive: OCCUPANCY }) };
  if (net !== undefined) {
    net.with['input'] = [1, SIZE, SIZE];
    net.with['heads'] = {
      detection: { kind: 'heatmap', classes: BOX_CLASSES.length, stride: 4 },
      segmentation: { kind: 'dense', classes: MASK_CLASSES.length, stride: 2 },
    };
  }
  for (const [task, classes] of [
    ['detection', BOX_CLASSES],
    ['segmentation', MASK_CLASSES],
  ] as const)
    workflow.tasks[task] = { ...workflow.tasks[task], classes: classes.length };
  await cp(join(workflows, 'parts'), join(root, 'parts'), { recursive: true });
  const defaults = { ...(await paramsOfParts()), ...workflow.params };
  const path = join(root, name);
  await writeFile(path, JSON.stringify({ ...workflow, params: overlaid(overlaid(defaults, SMALL), params) }, null, 2));
  return path;
}

/** What the included files declare; the including one may set it. */
async function paramsOfParts(): Promise<JsonObject> {
  const all: { [name: string]: Json } = {};
  for (const file of await readdir(join(workflows, 'parts'))) {
    const part = JSON.parse(await readFile(join(workflows, 'parts', file), 'utf8')) as { params?: JsonObject };
    Object.assign(all, part.params);
  }
  return all;
}

/** Only fields that the workflow has. */
function overlaid(base: JsonObject, over: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(base).map(([name, value]) => {
      const wanted = over[name];
      if (wanted === undefined) return [name, value];
      return [name, isObject(value) && isObject(wanted) ? overlaid(value, wanted) : wanted];
    }),
  );
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
