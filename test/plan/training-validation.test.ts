// Validation while a stage trains needs the gate data of one task whose metric can be measured there: known before anything runs.
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { loadWorkflow } from '../../src/plan/load-workflow.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderDiagnostics } from '../../src/diagnostics/render.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { stageOf } from './plan-of.ts';

const task = (metric: string, gate: boolean): JsonObject => ({
  data: { train: 'scenes.train', ...(gate ? { gate: 'scenes.gate' } : {}) },
  target: 'mask',
  stride: 2,
  classes: 11,
  loss: { kind: 'cross-entropy', ignore: 255 },
  metric: { kind: metric },
});

interface Given {
  readonly validation: JsonObject;
  readonly train?: readonly string[];
  readonly metric?: string;
  readonly gate?: boolean;
}

async function planned({ validation, train = ['backbone', 'head'], metric = 'miou', gate = true }: Given) {
  const { stages } = JSON.parse(readFileSync('workflows/fashion-scenes.json', 'utf8')) as {
    stages: { [name: string]: JsonObject };
  };
  const heads = { a: { kind: 'dense', classes: 11, stride: 2 }, b: { kind: 'dense', classes: 11, stride: 2 } };
  const { net, scenes } = stages;
  const counts = { train: 64, gate: 32, report: 32, calibration: 32 };
  const workflow = {
    name: 'validated',
    tasks: { a: task(metric, gate), b: task(metric, gate) },
    model: { from: 'net.model' },
    stages: {
      scenes: { ...scenes, with: { source: { kind: 'fashion-scenes', counts } }, seed: 0 },
      net: { ...net, with: { ...(net?.['with'] as JsonObject), width: 4, heads } },
      trained: {
        kind: 'train',
        ...(train.includes('heads') ? {} : { task: 'a' }),
        with: { train, training: { epochs: 2, learningRate: 0.01, validation } },
      },
    },
  };
  const root = mkdtempSync(join(tmpdir(), 'headgate-plan-'));
  writeFileSync(join(root, 'w.json'), JSON.stringify(workflow));
  return loadWorkflow(join(root, 'w.json'), { root });
}

async function plan(given: Given): Promise<Plan> {
  const made = await planned(given);
  if (!made.ok) throw new Error(renderDiagnostics(made.error));
  return made.value;
}

describe('validation of a training', () => {
  it('reads the gate data of its task, and without it nothing is read', async () => {
    const { inputs, settings } = stageOf(await plan({ validation: { keep: 'best' } }), 'trained');
    expect(inputs['data[gate]']).toEqual({ shape: 'one', from: { stage: 'scenes', port: 'gate' } });
    expect(settings['training']).toMatchObject({ divergenceFactor: 2, validation: { every: 1, keep: 'best' } });
  });

  it('names the task that decides where several are trained', async () => {
    const { inputs } = stageOf(await plan({ train: ['backbone', 'heads'], validation: { task: 'b' } }), 'trained');
    expect(Object.keys(inputs)).toContain('data[gate]');
  });

  it.each([
    [{ train: ['backbone', 'heads'], validation: {} }, 'several tasks are trained: which one is validated?'],
    [{ train: ['backbone', 'heads'], validation: { task: 'c' } }, 'task "c" is not trained here'],
    [{ validation: { task: 'b' } }, 'task "b" is not trained here'],
    [{ metric: 'sqnr', validation: {} }, 'task "a" is measured against the float model'],
    [{ gate: false, validation: {} }, 'gate'],
  ] as const)('is refused as %j', async (given, message) => {
    const refused = await planned(given);
    expect(refused.ok ? '' : renderDiagnostics(refused.error)).toContain(message);
  });
});
