// Figure 8: two workflows of twelve heads each share data, float training and the backbone's calibration. Real training on tiny
// data; both workflows one after the other, and started at once, each time on an empty store. Counted in the journals.
//
//   node bench/engine/sharing.mjs [--heads 12] [--save]
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { isMain, runAlone } from './figure.mjs';
import { seconds } from './stats.mjs';
import { headgateArgv, journals } from './tools/headgate.mjs';
import { tinyProjects } from './tiny-project.mjs';
import { writeFiles } from './workload.mjs';

const SIZE = 32;
const ONCE_FOR_BOTH = ['scenes', 'net', 'trunk', 'backbone', 'float-head'];

export const sharing = {
  key: 'sharing',
  number: 8,
  title: 'Twelve heads and two workflows on one store',
  target: 'each shared stage runs once, counted.',
  options: { heads: { type: 'string', default: '12' } },
  async measure({ options, say }) {
    const { makeProject, removeProject } = await tinyProjects();
    const root = await makeProject();
    try {
      const names = ['narrow', 'wide'];
      for (const [index, name] of names.entries())
        writeFiles(root, { [`${name}.json`]: workflow(name, +options.heads, 8 - 4 * index) });
      const rows = [];
      for (const [words, start] of Object.entries({ 'one after the other': inSequence, 'started at once': atOnce })) {
        rmSync(join(root, '.headgate'), { recursive: true, force: true });
        const started = performance.now();
        await start(root, names);
        const row = { words, ms: performance.now() - started, ...count(root) };
        say(`${words}: ${seconds(row.ms)}, ${row.executed} executed, ${row.shared} shared`);
        rows.push(row);
      }
      return conclude(rows, options.heads);
    } finally {
      await removeProject(root);
    }
  },
};

/** Equal up to the float heads and the calibrated backbone; what the heads become differs in the number of bits. */
function workflow(name, heads, bits) {
  const tasks = Object.fromEntries(Array.from({ length: heads }, (_, index) => [`head${index}`, task(index)]));
  const training = (epochs) => ({ epochs, batch: 16, learningRate: 0.02 });
  return {
    name,
    params: { profile: 'backbone' },
    profiles: {
      backbone: { weights: { bits: 8 }, activations: { bits: 8 } },
      heads: { weights: { bits }, activations: { bits: 8 } },
    },
    tasks,
    model: { from: 'net.model' },
    stages: {
      scenes: {
        kind: 'dataset',
        with: {
          source: {
            kind: 'npy',
            folder: 'data',
            splits: { train: {}, gate: {}, calibration: { from: 'train', count: 32 } },
          },
        },
      },
      net: {
        kind: 'model',
        with: {
          architecture: 'depthwise-separable',
          input: [1, SIZE, SIZE],
          width: 4,
          heads: Object.fromEntries(Object.keys(tasks).map((task, index) => [task, shapeOf(index)])),
        },
      },
      trunk: { kind: 'train', task: 'head0', with: { train: ['backbone', 'head'], training: training(4) } },
      backbone: {
        kind: 'calibrate',
        task: 'head0',
        inputs: { backbone: 'trunk.backbone' },
        with: { scope: 'backbone', batches: 2, batch: 16 },
      },
      'float-head': {
        kind: 'train',
        forEach: 'tasks',
        inputs: { backbone: 'trunk.backbone' },
        with: { train: ['head'], training: training(2) },
      },
      head: {
        kind: 'calibrate',
        forEach: 'tasks',
        inputs: { backbone: 'backbone.backbone', head: 'float-head.head' },
        with: { scope: 'head', freeze: ['backbone'], profile: 'heads', batches: 2, batch: 16 },
      },
      check: {
        kind: 'validate',
        forEach: 'tasks',
        inputs: { backbone: 'backbone.backbone', head: 'head.head' },
        with: { quantized: ['backbone', 'head'], split: 'gate' },
      },
    },
  };
}

function task(index) {
  const data = { train: 'scenes.train', gate: 'scenes.gate', calibration: 'scenes.calibration' };
  return index % 2 === 0
    ? {
        data,
        target: 'boxes',
        stride: 4,
        classes: 3,
        loss: { kind: 'focal-heatmap' },
        metric: { kind: 'centre-map', distance: 5.7 },
      }
    : { data, target: 'mask', stride: 2, classes: 4, loss: { kind: 'cross-entropy' }, metric: { kind: 'miou' } };
}

function shapeOf(index) {
  return index % 2 === 0 ? { kind: 'heatmap', classes: 3, stride: 4 } : { kind: 'dense', classes: 4, stride: 2 };
}

async function inSequence(root, names) {
  for (const name of names) await finish(root, name);
}

async function atOnce(root, names) {
  await Promise.all(names.map((name) => finish(root, name)));
}

async function finish(root, name) {
  const [program, ...args] = headgateArgv('run', `${name}.json`, '--jobs', '2');
  const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (part) => (output += part));
  const [exitCode] = await once(child, 'close');
  if (exitCode !== 0) throw new Error(`${name} ended with ${exitCode}:\n${output.slice(-2000)}`);
}

/** How often each key was worked on, over all journals, and the stages that both workflows have under one key. */
function count(root) {
  const runs = journals(root);
  const starts = new Map();
  const keysOf = runs.map(() => new Map());
  for (const [index, events] of runs.entries()) {
    for (const { type, stage, key } of events) {
      if (type === 'stage-started') starts.set(key, (starts.get(key) ?? 0) + 1);
      if (type === 'stage-succeeded' || type === 'stage-restored') keysOf[index].set(key, stage);
    }
  }
  const [first, second] = keysOf;
  const shared = [...first.keys()].filter((key) => second.has(key));
  const named = shared.map((key) => first.get(key));
  return {
    runs: runs.length,
    executed: [...starts.values()].reduce((sum, times) => sum + times, 0),
    keys: starts.size,
    shared: shared.length,
    sharedStages: named.sort(),
    mostStarts: Math.max(...starts.values()),
    sharedStarts: shared.map((key) => starts.get(key) ?? 0),
  };
}

function conclude(rows, heads) {
  const expected = ONCE_FOR_BOTH.length - 1 + Number(heads);
  const once = rows.every(
    ({ shared, sharedStarts, mostStarts }) =>
      shared === expected && mostStarts === 1 && sharedStarts.every((times) => times === 1),
  );
  return {
    met: once,
    headline: once
      ? `${expected} stages are shared; each was started once, in both orders, and nothing else twice.`
      : 'a shared stage did not run exactly once; see the table.',
    tables: [
      {
        columns: ['runs', 'keys', 'stages started', 'shared by both', 'starts of a shared stage', 'time'],
        rows: rows.map(({ words, keys, executed, shared, sharedStarts, ms }) => [
          words,
          keys,
          executed,
          shared,
          `${Math.min(...sharedStarts)} to ${Math.max(...sharedStarts)}`,
          seconds(ms),
        ]),
      },
    ],
    notes: [
      `Real training with onnxruntime on 64 images of 32 × 32: ${ONCE_FOR_BOTH.join(', ')} (one per head) are equal in both workflows; the heads are calibrated to 8 bits in one and 4 in the other, and validated.`,
      'Counted from the journals: `stage-started` events per key, whoever started them.',
    ],
    values: rows,
  };
}

if (isMain(import.meta.url)) await runAlone(sharing);
