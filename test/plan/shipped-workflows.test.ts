import { mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderDiagnostics } from '../../src/diagnostics/render.ts';
import { loadWorkflow } from '../../src/plan/load-workflow.ts';
import type { LoadOptions } from '../../src/plan/load-workflow.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { idsOf, stageOf } from './plan-of.ts';

interface Written {
  readonly include?: readonly string[];
  readonly params: { readonly trainingTask?: string };
  readonly tasks: object;
}

const written = (file: string): Written => JSON.parse(readFileSync(join('workflows', file), 'utf8')) as Written;

/** Those that follow the strategy. */
const workflows = readdirSync('workflows').filter(
  (file) => file.endsWith('.json') && written(file).include?.includes('parts/strategy.json') === true,
);
const paramsFiles = readdirSync('workflows/params').map((file) => join('workflows/params', file));

/** A folder in which every file exists that the workflows name by default. */
const root = mkdtempSync(join(tmpdir(), 'headgate-plan-'));
mkdirSync(join(root, 'data/camvid'), { recursive: true });
for (const model of ['model.onnx', 'mlsd_320x320_tiny.onnx']) writeFileSync(join(root, model), '');
mkdirSync(join(root, '.headgate/out/fashion-scenes/merge.merged'), { recursive: true });

async function load(file: string, options: LoadOptions = {}): Promise<Plan> {
  const plan = await loadWorkflow(join('workflows', file), { root, ...options });
  if (!plan.ok) throw new Error(renderDiagnostics(plan.error));
  return plan.value;
}

const profiles = Object.keys(
  (JSON.parse(readFileSync('workflows/parts/profiles.json', 'utf8')) as { profiles: object }).profiles,
);

describe.each(workflows)('workflows/%s', (file) => {
  const tasks = Object.fromEntries(Object.keys(written(file).tasks).map((task) => [task, 1]));
  const trainingTask = written(file).params.trainingTask ?? 'segmentation';

  it.each(profiles)('plans with profile %s', async (profile) => {
    await load(file, { set: [`profile=${profile}`] });
  });

  it.each([
    ['finetune.policy=all'],
    ['finetune.onExhausted=last'],
    ['integer.stopShort=true'],
    ['merged.policy=stop'],
    ['objective.distill=0.5'],
    [`objective.tasks=${JSON.stringify(tasks)}`],
  ])('plans with %s', async (setting) => {
    await load(file, { set: [setting] });
  });

  it('quantises heads with the profile that an analysis recommends, only where a budget for one is set', async () => {
    const mixed = { budget: { kind: 'bit-operations', factor: 1.2 } };
    const without = await load(file);
    expect(idsOf(without).filter((id) => id.startsWith('head-mix'))).toEqual([]);
    expect(stageOf(without, `head[${trainingTask}]/calibrate`).inputs).not.toHaveProperty('profile');
    const plan = await load(file, { set: [`mixed=${JSON.stringify(mixed)}`] });
    const profile = { shape: 'one', from: { stage: `head-mix[${trainingTask}]`, port: 'profile' } };
    for (const stage of ['calibrate', 'qat/train', 'qat-fixed/train'])
      expect(stageOf(plan, `head[${trainingTask}]/${stage}`).inputs).toMatchObject({ profile });
    expect(stageOf(plan, 'base/backbone/calibrate').inputs).not.toHaveProperty('profile');
  });

  it('tries the profiles of a list on every head, in their order, and in one without a list', async () => {
    const ladder = ['profiles=["w4a4","w8a16"]', 'profilesBudget=20m', 'profile=w8a8'];
    expect(idsOf(await load(file)).filter((id) => id.includes('/rung/'))).toEqual([]);
    const plan = await load(file, { set: ladder });
    for (const task of Object.keys(tasks)) {
      const tried = [0, 1].map((k) => stageOf(plan, `head[${task}]/rung/body[${k}]/quantise/calibrate`));
      expect(tried.map(({ profile }) => profile)).toEqual(['w4a4', 'w8a16']);
      expect(tried.map(({ settings }) => settings['profile'])).toMatchObject([
        { weights: { bits: 4 } },
        { activations: { bits: 16 } },
      ]);
      expect(idsOf(plan)).toContain(`head[${task}]/rung/best-so-far[0]`);
    }
    expect(stageOf(plan, 'base/backbone/calibrate').profile).toBe('w8a8');
    const stops = idsOf(await load(file, { set: [...ladder, 'profilesExhausted=stop'] }));
    expect(stops.filter((id) => /^head.*\/(stop|over-budget\[0\])$/.test(id))).toHaveLength(
      2 * Object.keys(tasks).length,
    );
  });

  it.each([
    ['profiles=[]', '"profiles" must have at least 1 items'],
    ['profilesBudget=soon', 'profilesBudget'],
    ['finetune.policy=al', '"policy" cannot be "al"'],
    ['finetune.onExhausted=lats', '"onExhausted" cannot be "lats"'],
    ['merged.policy=halt', '"policy" cannot be "halt"'],
    ['finetune.attempts=0', '"attempts" must be at least 1'],
    ['integer.stopShort=report', '"integer.stopShort" is true or false; it cannot become a string'],
  ])('refuses %s', async (setting, message) => {
    await expect(load(file, { set: [setting] })).rejects.toThrow(message);
  });

  it('says once that the profile is unknown', async () => {
    const refused = await loadWorkflow(join('workflows', file), { root, set: ['profile=w8a9'] });
    expect(refused.ok ? [] : refused.error.map(({ code }) => code)).toEqual(['HG1210']);
  });

  it('trains the backbone for the tasks of the objective, by default for its own', async () => {
    const objectiveOf = async (set: readonly string[]): Promise<unknown> =>
      stageOf(await load(file, { set }), 'base/backbone/qat/train').settings['objective'];
    expect(await objectiveOf([])).toEqual({ tasks: { [trainingTask]: 1 }, distill: 0 });
    expect(await objectiveOf([`objective.tasks=${JSON.stringify(tasks)}`])).toEqual({ tasks, distill: 0 });
  });
});

describe('workflows/fashion-scenes.json', () => {
  const file = 'fashion-scenes.json';

  it.each(paramsFiles)('plans with %s', async (params) => {
    await load(file, { params });
  });

  it('trains the backbone with the task that the parameter names', async () => {
    const plan = await load(file, {
      set: [
        'trainingTask=segmentation',
        'objective.tasks={"detection":0,"segmentation":1}',
        'baselines.floatLonger=true',
      ],
    });
    expect(stageOf(plan, 'trunk').task).toBe('segmentation');
    expect(idsOf(plan)).toContain('float-head[detection]');
    expect(stageOf(plan, 'float[segmentation]').inputs['head']).toEqual({
      shape: 'one',
      from: { stage: 'trunk', port: 'head' },
    });
    expect(stageOf(plan, 'base/backbone/qat/train').inputs['heads']).toMatchObject({
      items: [{ key: 'segmentation' }],
    });
  });

  it('stops below the ladder at 8 bits and goes on to QAT at 4', async () => {
    const eight = idsOf(await load(file, { set: ['profile=w8a8'] }));
    const four = idsOf(await load(file, { set: ['profile=w4a4'] }));
    expect(eight).toContain('base/backbone/stop');
    expect(four).not.toContain('base/backbone/stop');
    expect(four).not.toContain('head[detection]/analyze');
  });

  it('reads the report split only behind the last gate of every head', async () => {
    const plan = await load(file, { set: ['baselines.floatLonger=true'] });
    const readers = plan.stages.filter((stage) => 'data[report]' in stage.inputs);
    expect(readers.map((stage) => stage.name)).toEqual(
      expect.arrayContaining(['report-float', 'report-merged', 'report-integer', 'report-float-longer']),
    );
    for (const reader of readers)
      expect(reader.after.map((after) => after.kind === 'case' && after.ref.gate)).toEqual([
        'integer-gate[detection]',
        'integer-gate[segmentation]',
      ]);
  });

  it('changes the settings of one head only when its QAT learning rate changes', async () => {
    const changed = differing(
      await load(file),
      await load(file, { set: ['heads.segmentation.qat.learningRate=0.01'] }),
    );
    expect(changed).toEqual(['head[segmentation]/qat-fixed/train', 'head[segmentation]/qat/train']);
  });

  it('changes gates only when a threshold changes', async () => {
    const changed = differing(await load(file), await load(file, { set: ['thresholds.head=98'] }));
    expect(changed).toEqual(['base/head-gate[detection]', 'base/head-gate[segmentation]']);
  });

  it('leaves stages that draw no numbers as they are when the seed changes', async () => {
    const changed = differing(await load(file), await load(file, { set: ['seed=7'] }));
    expect(
      changed.every((id) => /^(net|trunk|float-head|base\/(backbone\/qat|finetune)|head\[\w+\]\/qat)/.test(id)),
    ).toBe(true);
    expect(changed).not.toContain('scenes');
  });

  it('keys no number format into float stages, and no name of a profile into any', async () => {
    const changed = differing(await load(file), await load(file, { set: ['profile=w8a16'] }));
    expect(changed.every((id) => /^(base\/backbone|head\[\w+\])\/(calibrate|qat|qat-fixed|analyze)/.test(id))).toBe(
      true,
    );
  });
});

describe('workflows/add-head.json', () => {
  const file = 'add-head.json';

  it.each(profiles)('plans with profile %s', async (profile) => {
    await load(file, { set: [`profile=${profile}`] });
  });

  it('trains, finetunes and quantises the new head only, and never the backbone', async () => {
    const working = (await load(file)).stages.filter(({ kind }) =>
      ['train', 'finetune', 'calibrate', 'qat'].includes(kind),
    );
    expect(working.length).toBeGreaterThan(4);
    for (const { id, task, inputs, outputs } of working) {
      expect(task, id).toBe('occupancy');
      // Where the ladder hands it on, under the name of a selection.
      expect(JSON.stringify(inputs['backbone']), id).toMatch(/"stage":"(release|head\[occupancy\]\/calibrated)"/);
      const made = outputs.map(({ name }) => name);
      expect(made, id).toContain('head');
      expect(made, id).not.toContain('backbone');
    }
  });

  it('tries the profiles of a list on the new head', async () => {
    const plan = await load(file, { set: ['profiles=["w4a4","w8a8"]'] });
    const tried = [0, 1].map((k) => stageOf(plan, `head[occupancy]/rung/body[${k}]/quantise/calibrate`).profile);
    expect(tried).toEqual(['w4a4', 'w8a8']);
  });

  it('merges what the release gives with the new head, beside the release itself', async () => {
    const { inputs } = stageOf(await load(file), 'merge');
    expect(inputs['release']).toEqual({ shape: 'one', from: { stage: 'release', port: 'merged' } });
    expect(inputs['backbone']).toEqual({ shape: 'one', from: { stage: 'release', port: 'backbone' } });
    expect(inputs['heads']).toMatchObject({
      items: [
        { key: 'detection', from: { stage: 'release', port: 'head[detection]' } },
        { key: 'segmentation', from: { stage: 'release', port: 'head[segmentation]' } },
        { key: 'occupancy' },
      ],
    });
  });

  it('takes a head that was trained elsewhere from a file, and trains it no more', async () => {
    const plan = await load(file, { set: ['head.onnx=model.onnx'] });
    expect(idsOf(plan)).not.toContain('float-head[occupancy]');
    expect(stageOf(plan, 'float[occupancy]').inputs['head']).toEqual({
      shape: 'one',
      from: { stage: 'wider', port: 'head[occupancy]' },
    });
    expect(stageOf(plan, 'wider').settings['heads']).toEqual({ occupancy: { kind: 'onnx', inputs: {} } });
  });

  it('says where no release is', async () => {
    await expect(load(file, { set: ['release.folder=nowhere'] })).rejects.toThrow(/"?nowhere"?/);
  });
});

describe('workflows/mlsd.json', () => {
  const file = 'mlsd.json';

  it('starts QAT from the arm with the same cures: they are the same jobs', async () => {
    const plan = await load(file);
    for (const stage of ['backbone', 'head[offsets]', 'head[scores]'])
      expect(stageOf(plan, `cured/${stage}`).settings).toEqual(stageOf(plan, `arm[both]/${stage}`).settings);
  });

  it('trains on no image that scales are found on, and reads the report split behind the export only', async () => {
    const plan = await load(file);
    for (const task of ['offsets', 'scores'])
      expect(stageOf(plan, 'distilled').inputs[`data[${task}.train]`]).toMatchObject({ from: { port: 'train' } });
    const readers = plan.stages.filter((stage) => 'data[report]' in stage.inputs);
    // Per task: the calibrated, the trained, the merged and the exported model.
    expect(readers).toHaveLength(8);
    for (const { after } of readers) expect(after).toMatchObject([{ stage: 'export' }]);
  });
});

/** Stages whose job would get other settings, another seed or another number of threads. */
function differing(before: Plan, after: Plan): readonly string[] {
  const keyed = (plan: Plan): Map<string, string> =>
    new Map(
      plan.stages.map((stage) => [stage.id, JSON.stringify([stage.settings, stage.seed, stage.threads, stage.inputs])]),
    );
  const [left, right] = [keyed(before), keyed(after)];
  return [...right].flatMap(([id, text]) => (left.get(id) === text ? [] : [id]));
}
