// The whole strategy, steps 0 to 5, from the shipped workflow through the command line, on tiny data and with real processes.
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunReport } from '../../src/report/run-report.ts';
import { openStore } from '../../src/store/store.ts';
import type { Digest } from '../../src/support/digest.ts';
import { Installation } from './installation.ts';
import type { Ended } from './installation.ts';
import { runUntilStopped } from './stopped.ts';
import { digestsIn, jobsRunIn, reportOf, succeeded } from './project-report.ts';
import type { Digests } from './project-report.ts';
import { makeProject, removeProject, writeWorkflow } from './tiny-project.ts';
import { makeTrainedProject } from './trained-project.ts';

interface Forecast {
  readonly stage: string;
  readonly will: 'run' | 'run-unless-unchanged' | 'restore' | 'not-taken' | 'unknown' | 'blocked';
}

let installation: Installation;
let root: string;
let workflow: string;
let first: RunReport;
let expected: Digests;
const call = (...args: readonly string[]) => installation.run([...args, '--root', root]);

beforeAll(async () => {
  installation = await Installation.build();
  root = await makeProject();
  workflow = await writeWorkflow(root, 'fashion-scenes.json');
  succeeded(await call('run', workflow));
  first = await reportOf(installation, root);
  expected = digestsIn(first);
}, 180_000);
afterAll(async () => {
  await removeProject(root);
  await installation.remove();
});

async function forecasts(...set: readonly string[]): Promise<readonly Forecast[]> {
  const { stdout } = succeeded(await call('plan', workflow, '--json', ...set));
  return (JSON.parse(stdout) as { readonly stages: readonly Forecast[] }).stages;
}

describe('the first run', () => {
  it('goes through every step: backbone QAT, both heads finetuned, QAT of both, merge and export', () => {
    const ran = jobsRunIn(first);
    for (const stage of [
      'trunk',
      'float-head[segmentation]',
      'base/backbone/qat/train',
      'base/finetune[detection]/body[0]/train',
      'base/finetune[segmentation]/body[0]/train',
      'head[detection]/qat/train',
      'head[segmentation]/qat/train',
      'merge',
      'export',
      'report-integer[detection]',
    ])
      expect(ran).toContain(stage);
    expect(first.stages.filter(({ state }) => state === 'failed' || state === 'blocked')).toEqual([]);
    expect(first.stages.find(({ id }) => String(id) === 'base/backbone/qat-fixed/train')?.state).toBe('not-taken');
  });

  it('holds every proof', () => {
    const proofs = first.stages.flatMap(({ facts }) => facts.proofs);
    expect(proofs.filter(({ held }) => !held)).toEqual([]);
    expect([...new Set(proofs.map(({ name }) => name))].sort()).toEqual([
      'boundary',
      'deployed',
      'export',
      'freeze',
      'merge',
    ]);
  });

  it('measures the merged model as it measured backbone and head', () => {
    for (const task of ['detection', 'segmentation'])
      expect(expected[`merged-accuracy[${task}].metrics`]).toBe(expected[`head[${task}]/${kept(first, task)}.metrics`]);
  });
});

/** The check of the head that the ladder kept. */
function kept(report: RunReport, task: string): 'check' | 'trained-check' {
  const chosen = report.stages.find(({ id }) => String(id) === `head[${task}]/kept`)?.chosen;
  return chosen === 'trained' ? 'trained-check' : 'check';
}

describe('the second run', () => {
  it('runs nothing and gives the same digests', async () => {
    const announced = await forecasts();
    expect(announced.filter(({ will }) => will !== 'restore' && will !== 'not-taken')).toEqual([]);
    succeeded(await call('run', workflow));
    const report = await reportOf(installation, root);
    expect(jobsRunIn(report)).toEqual([]);
    expect(digestsIn(report)).toEqual(expected);
  });
});

describe("one head's QAT learning rate", () => {
  const set = ['--set', 'heads.segmentation.qat.learningRate=0.0007'];
  const branch = [
    'head[segmentation]/qat/train',
    'head[segmentation]/trained-check',
    'merge',
    'merged-accuracy[detection]',
    'merged-accuracy[segmentation]',
    'export',
    'integer-accuracy[detection]',
    'integer-accuracy[segmentation]',
    'report-merged[detection]',
    'report-merged[segmentation]',
    'report-integer[detection]',
    'report-integer[segmentation]',
  ].sort();
  /** Decided by the engine itself: no job. */
  const decided = /^((merged|integer)-gate|.*\/(gate|chosen|trained|kept|better)$)/;

  it("is announced to run that head's stages from there on, and merge, export and their validations", async () => {
    const stages = (await forecasts(...set)).filter(({ will }) => will !== 'restore' && will !== 'not-taken');
    expect(stages.find(({ stage }) => stage === 'head[segmentation]/qat/train')?.will).toBe('run');
    const jobs = stages.map(({ stage }) => stage).filter((stage) => !decided.test(stage));
    expect(jobs.sort()).toEqual(branch);
  });

  it('is explained by the field with its old and its new value', async () => {
    const { stdout } = succeeded(await call('explain', 'head[segmentation]/qat/train', '--file', workflow, ...set));
    expect(stdout).toMatch(/learningRate.*0\.001.*0\.0007/);
  });

  it('runs exactly those, and nothing of the other head changes', async () => {
    succeeded(await call('run', workflow, ...set));
    const report = await reportOf(installation, root);
    expect(jobsRunIn(report)).toEqual(branch);
    const digests = digestsIn(report);
    expect(digests['head[segmentation]/qat/train.head']).not.toBe(expected['head[segmentation]/qat/train.head']);
    expect(digests['head[detection]/qat/train.head']).toBe(expected['head[detection]/qat/train.head']);
    expect(digests['merged-accuracy[detection].metrics']).toBe(expected['merged-accuracy[detection].metrics']);
  });
});

describe("a gate's threshold", () => {
  it('that does not flip the branch is decided again without any job', async () => {
    const set = ['--set', 'thresholds.admit=2'];
    succeeded(await call('run', workflow, ...set));
    const report = await reportOf(installation, root);
    expect(jobsRunIn(report)).toEqual([]);
    expect(report.stages.find(({ id }) => String(id) === 'base/admission')).toMatchObject({
      state: 'succeeded',
      chosen: 'admit',
    });
    const { 'base/admission.verdict': _new, ...others } = digestsIn(report);
    const { 'base/admission.verdict': _old, ...before } = expected;
    expect(others).toEqual(before);
  });

  it('that flips a branch runs that branch only', async () => {
    const set = ['--set', 'thresholds.head=1'];
    succeeded(await call('run', workflow, ...set));
    const report = await reportOf(installation, root);
    const ran = jobsRunIn(report);
    expect(ran).toContain('head[detection]/calibrate');
    expect(ran.filter((stage) => /^(trunk|float|base\/(backbone|finetune|check))/.test(stage))).toEqual([]);
    const finetune = report.stages.filter(({ name }) => name.startsWith('base/finetune/')).map(({ state }) => state);
    expect(new Set(finetune)).toEqual(new Set(['not-taken']));
  });
});

describe('a fault', () => {
  it('injected into a frozen scope fails its stage with exit code 1 and names the number; the next run is clean', async () => {
    const tensor = 'parameter.backbone.stem.weight';
    const fault = JSON.stringify({ scope: 'backbone', tensor, index: 7, bit: 0 });
    const args = ['run', workflow, '--root', root, '--force', 'merge', '--fault', `merge=${fault}`];
    const refused = await installation.run(args);
    expect(refused.exitCode).toBe(1);
    expect(refused.stdout).toContain('fault injection is off');
    const failed = await installation.run(args, { HEADGATE_FAULTS: '1' });
    expect(failed.exitCode).toBe(1);
    expect(failed.stdout).toMatch(new RegExp(`frozen scope "backbone" changed: ${tensor} at index 7: \\S+ → \\S+`));
    succeeded(await call('run', workflow, '--force', 'merge'));
    const report = await reportOf(installation, root);
    expect(jobsRunIn(report)).toEqual(['merge']);
    expect(digestsIn(report)).toEqual(expected);
  });

  it('of one bit in a stored checkpoint is found, quarantined, and its producer run again', async () => {
    const path = openStore(root).objects.pathOf(expected['trunk.backbone'] as Digest);
    const bytes = await readFile(path);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 3) ^ 4, bytes.length - 3);
    await chmod(path, 0o644);
    await writeFile(path, bytes);
    succeeded(await call('run', workflow));
    const report = await reportOf(installation, root);
    expect(report.quarantined.map(({ digest }) => digest)).toEqual([expected['trunk.backbone']]);
    expect(jobsRunIn(report)).toEqual(['trunk']);
    expect(digestsIn(report)).toEqual(expected);
  });
});

describe('a workflow that plans, but cannot run', () => {
  interface Document {
    readonly stages: {
      readonly [stage: string]: { inputs?: { [port: string]: unknown }; with?: { [field: string]: unknown } };
    };
  }

  async function runAltered(name: string, change: (stages: Document['stages']) => void): Promise<Ended> {
    const document = JSON.parse(await readFile(workflow, 'utf8')) as Document;
    const part = JSON.parse(await readFile(join(root, 'parts/strategy.json'), 'utf8')) as Document;
    change({ ...part.stages, ...document.stages });
    const file = join(root, `${name}.json`);
    await writeFile(join(root, 'parts', `${name}.json`), JSON.stringify(part));
    // Without the rivals, which include the strategy as it is.
    await writeFile(
      file,
      JSON.stringify({ ...document, include: ['parts/float-training.json', `parts/${name}.json`] }),
    );
    return call('run', file);
  }

  it('ends with exit code 1 when heads made on one backbone are merged with another', async () => {
    const { exitCode, stdout } = await runAltered('mixed', ({ merge }) => {
      if (merge?.inputs !== undefined) merge.inputs['backbone'] = 'base/backbone/calibrate.backbone';
    });
    expect(exitCode).toBe(1);
    expect(stdout).toMatch(
      /head "detection" was made on backbone [0-9a-f]{12}, but is merged with backbone [0-9a-f]{12}/,
    );
    expect(jobsRunIn(await reportOf(installation, root))).toEqual([]);
  });

  it('ends with exit code 1 when the data do not fit the network', async () => {
    const { exitCode, stdout } = await runAltered('large', ({ net }) => {
      if (net?.with !== undefined) net.with['input'] = [1, 64, 64];
    });
    expect(exitCode).toBe(1);
    expect(stdout).toContain('data set "tiny/train" has images [1, 32, 32], the model\'s input "image" is [1, 64, 64]');
    expect(jobsRunIn(await reportOf(installation, root))).toEqual(['net']);
  });
});

describe('kill -9 and Ctrl-C in the middle', () => {
  it('of backbone QAT, finetuning and head QAT: each resume goes on, and the end is that of an uninterrupted run', async () => {
    const other = await makeTrainedProject(installation);
    try {
      const file = await writeWorkflow(other, 'fashion-scenes.json');
      const points = [
        { stage: 'base/backbone/qat/train', resumeStates: 2, how: 'all-killed' },
        { stage: 'base/finetune[segmentation]/body[0]/train', resumeStates: 1, how: 'interrupted' },
        { stage: 'head[segmentation]/qat/train', resumeStates: 3, how: 'engine-killed' },
        { stage: 'head[segmentation]/qat/train', resumeStates: 1, how: 'all-killed' },
      ] as const;
      let args: readonly string[] = ['run', file];
      for (const point of points) {
        await runUntilStopped(installation, args, other, point);
        args = ['resume'];
      }
      succeeded(await installation.run(['resume', '--root', other]));
      const report = await reportOf(installation, other);
      expect(digestsIn(report)).toEqual(expected);
      expect(report.finished).toMatchObject({ outcome: 'succeeded', exitCode: 0 });
      for (const { stage } of points)
        expect(report.stages.find(({ id }) => String(id) === stage)?.resumed, stage).toBe(true);
    } finally {
      await removeProject(other);
    }
  }, 180_000);
});
