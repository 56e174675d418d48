import { describe, expect, it } from 'vitest';
import { codesOf, command, gate, idsOf, planOf, stageOf, tasks } from './plan-of.ts';

const scenes = { kind: 'dataset', with: { source: { kind: 'fashion-scenes', counts: { train: 8, gate: 8 } } } };
const heads = { detection: { outputs: ['d'] }, segmentation: { outputs: ['s'] } };

function workflow(stages: object): object {
  return { name: 'links', tasks, stages: { scenes, ...stages } };
}

const one = (stage: string, port = 'out'): object => ({ shape: 'one', from: { stage, port } });

describe('references inside a fan-out', () => {
  it('mean the instance with the same key', () => {
    const plan = planOf(
      workflow({ a: command({}, { forEach: 'tasks' }), b: command({ x: 'a.out' }, { forEach: 'tasks' }) }),
    );
    expect(stageOf(plan, 'b[detection]').inputs).toEqual({ x: one('a[detection]') });
    expect(stageOf(plan, 'b[segmentation]').inputs).toEqual({ x: one('a[segmentation]') });
  });

  it('mean the member with the same key of an output that has members', () => {
    const imported = { kind: 'import', with: { onnx: 'm.onnx', boundary: ['b'], heads } };
    const plan = planOf(
      workflow({ imported, pick: { kind: 'select', forEach: 'tasks', inputs: { head: 'imported.head' } } }),
    );
    expect(stageOf(plan, 'pick[segmentation]').inputs).toEqual({ head: one('imported', 'head[segmentation]') });
  });

  it('may name another instance', () => {
    const plan = planOf(
      workflow({ a: command({}, { forEach: 'tasks' }), b: command({ x: 'a[detection].out' }, { forEach: 'tasks' }) }),
    );
    expect(stageOf(plan, 'b[segmentation]').inputs).toEqual({ x: one('a[detection]') });
  });

  it('zip for a single stage by its task', () => {
    const plan = planOf(
      workflow({ a: command({}, { forEach: 'tasks' }), b: command({ x: 'a.out' }, { task: 'segmentation' }) }),
    );
    expect(stageOf(plan, 'b').inputs).toEqual({ x: one('a[segmentation]') });
  });

  it('zip over a part of the tasks, and over lists of words', () => {
    const part = workflow({
      a: command({}, { forEach: 'tasks' }),
      b: command({ x: 'a.out' }, { forEach: { tasks: ['segmentation'] } }),
    });
    expect(idsOf(planOf(part))).toEqual(['scenes', 'a[detection]', 'a[segmentation]', 'b[segmentation]']);
    const words = workflow({
      a: command({}, { forEach: ['x', 'y.2'] }),
      b: command({ x: 'a.out' }, { forEach: ['x', 'y.2'] }),
    });
    expect(stageOf(planOf(words), 'b[y.2]').inputs).toEqual({ x: one('a[y.2]') });
  });

  it('are refused across domains without a key', () => {
    expect(
      codesOf(workflow({ a: command({}, { forEach: ['x'] }), b: command({ x: 'a.out' }, { forEach: 'tasks' }) })),
    ).toEqual(['HG1106', 'HG1106']);
    expect(codesOf(workflow({ a: command({}, { forEach: 'tasks' }), b: command({ x: 'a.out' }) }))).toEqual(['HG1107']);
  });
});

describe('input shapes', () => {
  it('collect takes every instance of a fan-out', () => {
    const plan = planOf(workflow({ a: command({}, { forEach: 'tasks' }), b: command({ x: { collect: 'a.out' } }) }));
    expect(stageOf(plan, 'b').inputs['x']).toEqual({
      shape: 'collect',
      items: [
        { key: 'detection', from: { stage: 'a[detection]', port: 'out' } },
        { key: 'segmentation', from: { stage: 'a[segmentation]', port: 'out' } },
      ],
    });
  });

  it('collect takes every member of a keyed output', () => {
    const imported = { kind: 'import', with: { onnx: 'm.onnx', boundary: ['b'], heads } };
    const plan = planOf(workflow({ imported, b: command({ x: { collect: 'imported.head' } }) }));
    expect(stageOf(plan, 'b').inputs['x']).toMatchObject({ items: [{ key: 'detection' }, { key: 'segmentation' }] });
  });

  it('collect leaves out what is disabled', () => {
    const enabled = { $equals: [{ $key: true }, 'detection'] };
    const plan = planOf(
      workflow({ a: command({}, { forEach: 'tasks', enabled }), b: command({ x: { collect: 'a.out' } }) }),
    );
    expect(stageOf(plan, 'b').inputs['x']).toMatchObject({ items: [{ key: 'detection' }] });
  });

  it('byKey picks by the key of the instance; a missing key leaves the input out', () => {
    const plan = planOf(
      workflow({ a: command(), b: command({ x: { byKey: { detection: 'a.out' } } }, { forEach: 'tasks' }) }),
    );
    expect(stageOf(plan, 'b[detection]').inputs).toEqual({ x: one('a') });
    expect(stageOf(plan, 'b[segmentation]').inputs).toEqual({});
    expect(
      codesOf(workflow({ a: command(), b: command({ x: { byKey: { detecton: 'a.out' } } }, { forEach: 'tasks' }) })),
    ).toEqual(['HG1315']);
  });

  it('a substitution may choose the reference', () => {
    const x = { $choose: [{ $equals: [{ $key: true }, 'detection'] }, 'a.out', 'c.out'] };
    const plan = planOf(workflow({ a: command(), c: command(), b: command({ x }, { forEach: 'tasks' }) }));
    expect(stageOf(plan, 'b[detection]').inputs).toEqual({ x: one('a') });
    expect(stageOf(plan, 'b[segmentation]').inputs).toEqual({ x: one('c') });
  });

  it('select forwards types, states joined over the alternatives', () => {
    const train = {
      kind: 'train',
      task: 'detection',
      with: { train: ['backbone', 'head'], training: { epochs: 1, learningRate: 1 } },
    };
    const net = { kind: 'import', with: { onnx: 'm.onnx', boundary: ['b'], heads } };
    const plan = planOf({
      name: 'select',
      tasks,
      params: { profile: 'p' },
      profiles: { p: { weights: { bits: 8 }, activations: { bits: 8 } } },
      model: { from: 'net.model' },
      stages: {
        scenes,
        net,
        train,
        calibrate: {
          kind: 'calibrate',
          task: 'detection',
          inputs: { backbone: 'train.backbone' },
          with: { scope: 'backbone' },
        },
        m: command(),
        g: gate('m.out', ['yes', 'no']),
        pick: {
          kind: 'select',
          inputs: {
            backbone: {
              oneOf: [
                { when: 'g:yes', from: 'calibrate.backbone' },
                { when: 'g:no', from: 'train.backbone' },
              ],
            },
          },
        },
      },
    });
    expect(stageOf(plan, 'pick').outputs).toMatchObject([
      { name: 'backbone', type: { artifact: 'checkpoint', scope: 'backbone', states: ['calibrated', 'float'] } },
    ]);
  });
});

describe('data and model edges', () => {
  it("come from the task and the workflow's model", () => {
    const plan = planOf({
      name: 'edges',
      tasks,
      model: { from: 'net.model' },
      stages: {
        scenes,
        net: { kind: 'import', with: { onnx: 'm.onnx', boundary: ['b'], heads } },
        check: { kind: 'validate', forEach: 'tasks', inputs: { backbone: 'net.backbone', head: 'net.head' } },
      },
    });
    expect(stageOf(plan, 'check[detection]').inputs).toMatchObject({
      model: one('net', 'model'),
      'data[gate]': one('scenes', 'gate'),
    });
  });

  const measured = (data: object): object => ({
    name: 'edges',
    tasks,
    params: { other: null },
    model: { from: 'net.model' },
    stages: {
      scenes,
      others: scenes,
      net: { kind: 'import', with: { onnx: 'm.onnx', boundary: ['b'], heads } },
      check: { kind: 'validate', forEach: 'tasks', inputs: { backbone: 'net.backbone', head: 'net.head', ...data } },
    },
  });

  it('of data may be given to a stage instead, or left to the task by null', () => {
    const given = planOf(measured({ 'data[gate]': 'others.gate' }));
    expect(stageOf(given, 'check[detection]').inputs).toMatchObject({ 'data[gate]': one('others', 'gate') });
    const left = planOf(measured({ 'data[gate]': { $param: 'other' } }));
    expect(stageOf(left, 'check[detection]').inputs).toMatchObject({ 'data[gate]': one('scenes', 'gate') });
  });

  it('of data take data sets only, and those that the stage reads', () => {
    expect(codesOf(measured({ 'data[gate]': 'net.model' }))).toEqual(['HG1303']);
    expect(codesOf(measured({ 'data[train]': 'others.train' }))).toEqual(['HG1301', 'HG1301']);
  });

  it('of data keep what is reported unseen: no training set, and no report on what was seen', () => {
    const reporting = {
      ...measured({}),
      tasks: Object.fromEntries(
        Object.entries(tasks).map(([name, task]) => [
          name,
          { ...task, data: { ...task.data, report: 'scenes.report' } },
        ]),
      ),
    };
    const counts = { train: 8, gate: 8, report: 8 };
    const withReport = { kind: 'dataset', with: { source: { kind: 'fashion-scenes', counts } } };
    const withStage = (stage: object): object => ({
      ...reporting,
      stages: { ...(reporting as { stages?: object }).stages, scenes: withReport, others: withReport, stage },
    });
    const tuned = (data: string) =>
      withStage({
        kind: 'train',
        inputs: { 'data[train]': data },
        with: { train: ['backbone', 'heads'], training: { epochs: 1, batch: 4, learningRate: 0.1 } },
      });
    expect(codesOf(tuned('scenes.train'))).toEqual([]);
    expect(codesOf(tuned('scenes.report'))).toContain('HG1221');
    const reported = (data: string) =>
      withStage({
        kind: 'validate',
        task: 'detection',
        inputs: { backbone: 'net.backbone', head: 'net.head', 'data[report]': data },
        with: { split: 'report' },
      });
    expect(codesOf(reported('others.gate'))).toEqual([]);
    expect(codesOf(reported('scenes.gate'))).toEqual(['HG1221']);
  });

  it('of data for tasks that share a step are one per task, or one that is given for all', () => {
    const together = (data: object): object => ({
      ...measured({}),
      stages: {
        ...(measured({}) as { stages: object }).stages,
        float: {
          kind: 'train',
          inputs: data,
          with: { train: ['backbone', 'heads'], training: { epochs: 1, batch: 4, learningRate: 0.1 } },
        },
      },
    });
    const dataOf = (workflow: object) =>
      Object.entries(stageOf(planOf(workflow), 'float').inputs).filter(([port]) => port.startsWith('data['));
    expect(dataOf(together({}))).toEqual([
      ['data[detection.train]', one('scenes', 'train')],
      ['data[segmentation.train]', one('scenes', 'train')],
    ]);
    expect(dataOf(together({ 'data[train]': 'others.train' }))).toEqual([['data[train]', one('others', 'train')]]);
  });
});

describe('after', () => {
  it('waits for the instance with the same key, or for all', () => {
    const a = command({}, { forEach: 'tasks' });
    const same = planOf(workflow({ a, b: command({}, { forEach: 'tasks', after: 'a' }) }));
    expect(stageOf(same, 'b[detection]').after).toEqual([{ kind: 'stage', stage: 'a[detection]' }]);
    const all = planOf(workflow({ a, b: command({}, { forEach: 'tasks', after: 'a[*]' }) }));
    expect(stageOf(all, 'b[detection]').after).toHaveLength(2);
    expect(stageOf(planOf(workflow({ a, b: command({}, { after: 'a' }) })), 'b').after).toHaveLength(2);
  });

  it('takes a case of every instance of a gate', () => {
    const stages = {
      a: command({}, { forEach: 'tasks' }),
      g: gate('a.out', ['x', 'y', 'z'], { forEach: 'tasks' }),
      b: command({}, { after: { anyOf: ['g[*]:x', 'g[*]:z'] } }),
    };
    expect(stageOf(planOf(workflow(stages)), 'b').after).toEqual(
      ['detection', 'segmentation'].map((key) => ({ kind: 'case', ref: { gate: `g[${key}]`, cases: ['x', 'z'] } })),
    );
  });

  it('forgets a stage that is disabled, but not a gate', () => {
    const a = command({}, { enabled: false });
    expect(stageOf(planOf(workflow({ a, b: command({}, { after: 'a' }) })), 'b').after).toEqual([]);
    expect(
      codesOf(
        workflow({ a: command(), g: gate('a.out', ['x', 'y'], { enabled: false }), b: command({}, { after: 'g:x' }) }),
      ),
    ).toEqual(['HG1311']);
  });
});
