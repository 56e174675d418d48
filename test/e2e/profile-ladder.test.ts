// A ladder of profiles per head: the shipped workflow through the command line, on tiny data and with real processes. Which
// threshold tells the profiles apart is taken from what a first run measured; that it does is a claim of the test.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeCheckpointFile } from '../../src/backends/embedded/inputs.ts';
import type { RunReport } from '../../src/report/run-report.ts';
import { Installation } from './installation.ts';
import { jobsRunIn, reportOf, succeeded } from './project-report.ts';
import { removeProject, writeWorkflow } from './tiny-project.ts';
import { makeTrainedProject } from './trained-project.ts';

const LADDER = ['--set', 'profiles=["w4a4","w8a8","w8a16"]'];
const NONE_PASSES = ['--set', 'thresholds.profile=1000'];
/** Heads as they are after calibration, unless a test asks for QAT; of that, an epoch is enough to tell that it ran. */
const CALIBRATED = {
  thresholds: { accept: 1, head: 1 },
  backbone: { qat: { epochs: 1 } },
  heads: { detection: { qat: { epochs: 1 } }, segmentation: { qat: { epochs: 1 } } },
};

let installation: Installation;
let root: string;
let workflow: string;
let summary: string;
let all: RunReport;
const call = (...args: readonly string[]) => installation.run([...args, '--root', root]);

beforeAll(async () => {
  installation = await Installation.build();
  root = await makeTrainedProject(installation);
  workflow = await writeWorkflow(root, 'fashion-scenes.json', CALIBRATED);
  summary = succeeded(await call('run', workflow, ...LADDER, ...NONE_PASSES)).stdout;
  all = await reportOf(installation, root);
}, 180_000);
afterAll(async () => {
  await removeProject(root);
  await installation.remove();
});

const stageOf = (report: RunReport, id: string) => report.stages.find((stage) => String(stage.id) === id);
const rung = (task: string, k: number): string => `head[${task}]/rung/body[${k}]`;

/** Of float, in percent: what rung k of the ladder reached. */
function percentOf(task: string, k: number): number {
  const [value = NaN, float = NaN] = [`${rung(task, k)}/check`, `float-accuracy[${task}]`].map((id) => {
    const facts = stageOf(all, id)?.facts.metrics[0];
    return facts?.values[facts.primary];
  });
  return (100 * value) / float;
}

/** Bits of weights and activations of a scope of the model that was delivered. */
async function bitsOf(scope: string): Promise<readonly (number | undefined)[]> {
  const file = join(root, '.headgate/out/fashion-scenes/merge.merged', `${scope}.safetensors`);
  const { quant } = decodeCheckpointFile(await readFile(file));
  return [quant?.profile.weights.bits, quant?.profile.activations.bits];
}

describe('where no profile passes', () => {
  it('every one is tried, in the order of the list, and the best goes on with a note', () => {
    for (const task of ['detection', 'segmentation']) {
      expect([0, 1, 2].map((k) => stageOf(all, `${rung(task, k)}/quantise/calibrate`)?.profile)).toEqual([
        'w4a4',
        'w8a8',
        'w8a16',
      ]);
      const reached = [0, 1, 2].map((k) => percentOf(task, k));
      const best = reached.indexOf(Math.max(...reached));
      const digest = stageOf(all, `head[${task}]/rung/pick[0]`)?.outputs['quantised']?.digest;
      expect(digest).toBe(stageOf(all, `${rung(task, best)}/quantise/calibrate`)?.outputs['head']?.digest);
    }
    expect(summary).toMatch(/^ {2}detection: w\S+, the best of 3 tried: none passes$/m);
  });

  it('or the run stops, where that is asked for', async () => {
    const ended = await call('run', workflow, ...LADDER, ...NONE_PASSES, '--set', 'profilesExhausted=stop');
    expect(ended.exitCode).toBe(3);
    expect(ended.stdout + ended.stderr).toContain("no profile that was tried keeps the head's accuracy");
  });
});

describe('a threshold that w4a4 meets in one head only', () => {
  let set: readonly string[];
  let told: string;
  let report: RunReport;
  beforeAll(async () => {
    const [needsMore, enough] = [
      percentOf('detection', 0),
      Math.min(percentOf('segmentation', 0), percentOf('detection', 1)),
    ];
    expect(needsMore).toBeLessThan(enough);
    set = [...LADDER, '--set', `thresholds.profile=${(needsMore + enough) / 2}`];
    told = succeeded(await call('run', workflow, ...set)).stdout;
    report = await reportOf(installation, root);
  }, 60_000);

  it('leaves that head in w4a4 and gives the other one w8a8, all from what was made before', () => {
    expect(stageOf(report, 'head[segmentation]/rung/until[0]')).toMatchObject({ chosen: 'done' });
    expect(stageOf(report, 'head[detection]/rung/until[0]')).toMatchObject({ chosen: 'again' });
    expect(stageOf(report, 'head[detection]/rung/until[1]')).toMatchObject({ chosen: 'done' });
    expect(stageOf(report, `${rung('detection', 2)}/check`)).toMatchObject({ state: 'not-taken' });
    expect(jobsRunIn(report).filter((stage) => /^(trunk|float|base|head)/.test(stage))).toEqual([]);
  });

  it('merges and exports heads of different formats, each with the accuracy of its rung', async () => {
    expect(await bitsOf('backbone')).toEqual([8, 8]);
    expect(await bitsOf('segmentation')).toEqual([4, 4]);
    expect(await bitsOf('detection')).toEqual([8, 8]);
    const metricsOf = (id: string) => stageOf(report, id)?.outputs['metrics']?.digest;
    expect(metricsOf('merged-accuracy[segmentation]')).toBe(metricsOf(`${rung('segmentation', 0)}/check`));
    expect(metricsOf('merged-accuracy[detection]')).toBe(metricsOf(`${rung('detection', 1)}/check`));
    const proofs = report.stages.flatMap(({ facts }) => facts.proofs);
    expect(proofs.filter(({ held }) => !held)).toEqual([]);
    expect(new Set(proofs.map(({ name }) => name))).toContain('export');
  });

  it('is told: which profile each head has, and what each one tried reached', () => {
    expect(told).toMatch(/^ {2}backbone: w8a8$/m);
    expect(told).toMatch(/^ {2}detection: w8a8, which passes \(2 tried\)$/m);
    expect(told).toMatch(/^ {2}segmentation: w4a4, which passes \(1 tried\)$/m);
    expect(told).toMatch(/^ w4a4 .*%[^]*^ w8a8 .*%/m);
  });

  it('is planned to be the same again', async () => {
    const { stdout } = succeeded(await call('plan', workflow, '--json', ...set));
    const { stages } = JSON.parse(stdout) as { readonly stages: readonly { readonly will: string }[] };
    expect(stages.filter(({ will }) => will !== 'restore' && will !== 'not-taken')).toEqual([]);
  });
});

describe('a time budget', () => {
  it('that the first profile has spent ends the ladder there, and the summary says so', async () => {
    const { stdout } = succeeded(await call('run', workflow, ...LADDER, ...NONE_PASSES, '--set', 'profilesBudget=1ms'));
    expect(stdout).toMatch(
      /^ {2}head\[detection\]\/rung\/until\[0\] → spent\n.*done asks 1000 %: falls short.*\n.* spent: no further iteration$/m,
    );
    expect(stdout).toMatch(
      /^ {2}segmentation: w4a4, the only one tried: it does not pass, and the time budget is spent$/m,
    );
    expect(await bitsOf('detection')).toEqual([4, 4]);
    const report = await reportOf(installation, root);
    expect(stageOf(report, `${rung('detection', 1)}/quantise/calibrate`)).toMatchObject({ state: 'not-taken' });
  });

  it('that is large enough changes nothing', async () => {
    succeeded(await call('run', workflow, ...LADDER, ...NONE_PASSES, '--set', 'profilesBudget=10h'));
    expect(jobsRunIn(await reportOf(installation, root))).toEqual([]);
  });
});

describe('profiles whose calibration is not good enough', () => {
  const low = ['accept', 'fixed', 'qat'].flatMap((name) => ['--set', `thresholds.${name}=1000`]);

  it('get the QAT that they ask for; one that asks for none is judged as calibrated, and stops nothing', async () => {
    // The backbone stands in w4a4 here: in 8 bits it would stop, since for it there is nothing to move on to.
    succeeded(await call('run', workflow, ...LADDER, ...NONE_PASSES, ...low, '--set', 'profile=w4a4'));
    const report = await reportOf(installation, root);
    const [four, eight] = [rung('detection', 0), rung('detection', 1)];
    expect(stageOf(report, `${four}/quantise/gate`)).toMatchObject({ chosen: 'low-qat' });
    expect(stageOf(report, `${four}/quantise/qat/train`)).toMatchObject({ state: 'succeeded', profile: 'w4a4' });
    const better = stageOf(report, `${four}/quantise/kept`)?.chosen === 'trained' ? 'trained-check' : 'check';
    expect(stageOf(report, `${four}/check`)?.outputs['metrics']?.digest).toBe(
      stageOf(report, `${four}/quantise/${better}`)?.outputs['metrics']?.digest,
    );
    expect(stageOf(report, `${eight}/quantise/gate`)).toMatchObject({ chosen: 'low' });
    expect(stageOf(report, `${eight}/check`)?.outputs['metrics']?.digest).toBe(
      stageOf(report, `${eight}/quantise/check`)?.outputs['metrics']?.digest,
    );
    expect(stageOf(report, 'merge')).toMatchObject({ state: 'succeeded' });
  }, 60_000);
});

it('a budgeted mix of formats has no place in a ladder', async () => {
  const refused = await call('plan', workflow, ...LADDER, '--set', 'mixed={"maxBits": 5}');
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain('"mixed" must be null');
});
