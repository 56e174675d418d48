// Of what calibration and what QAT made of a scope, the better one goes on, by the gate's own metric; and what is merged meets
// a last gate against float, so that nothing below a threshold is delivered as if it had passed. Through the shipped workflow.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunReport, StageReport } from '../../src/report/run-report.ts';
import { Installation } from './installation.ts';
import type { Ended } from './installation.ts';
import { jobsRunIn, reportOf, succeeded } from './project-report.ts';
import { removeProject, writeWorkflow } from './tiny-project.ts';
import { makeTrainedProject } from './trained-project.ts';

let installation: Installation;
let root: string;
let workflow: string;
let ended: Ended;
let report: RunReport;

beforeAll(async () => {
  installation = await Installation.build();
  root = await makeTrainedProject(installation);
  workflow = await writeWorkflow(root, 'fashion-scenes.json', {
    thresholds: { fixed: 1, merged: 1000 },
    // What it spoils is for the gate to find here.
    divergenceFactor: 0,
    backbone: { qat: { epochs: 2 } },
    heads: {
      // Nothing moves: trained and calibrated are equal.
      detection: { finetune: { epochs: 1 }, qat: { epochs: 1, learningRate: 0 } },
      // Few steps at a rate that spoils more than it mends.
      segmentation: { finetune: { epochs: 1 }, qat: { epochs: 1, learningRate: 1 } },
    },
  });
  ended = succeeded(await installation.run(['run', workflow, '--root', root]));
  report = await reportOf(installation, root);
}, 180_000);
afterAll(async () => {
  await removeProject(root);
  await installation.remove();
});

function stage(id: string): StageReport {
  const found = report.stages.find((one) => String(one.id) === id);
  if (found === undefined) throw new Error(`no stage ${id}`);
  return found;
}

function primaryOf(id: string): number {
  const [metrics] = stage(id).facts.metrics;
  return metrics?.values[metrics.primary] ?? Number.NaN;
}

describe('the ladder', () => {
  it.each(['base/backbone', 'head[detection]', 'head[segmentation]'])(
    'hands on the better of calibrated and trained: %s',
    (scope) => {
      const [calibrated, trained] = [primaryOf(`${scope}/check`), primaryOf(`${scope}/trained-check`)];
      const port = scope === 'base/backbone' ? 'backbone' : 'head';
      expect(stage(`${scope}/kept`).chosen).toBe(trained > calibrated ? 'trained' : 'calibrated');
      expect(stage(`${scope}/chosen`).outputs['quantised']?.digest).toBe(
        trained > calibrated
          ? stage(`${scope}/trained`).outputs['scope']?.digest
          : stage(`${scope}/calibrated`).outputs[port]?.digest,
      );
    },
  );

  it('keeps the calibrated head where training changed nothing: less was moved', () => {
    expect(primaryOf('head[detection]/trained-check')).toBe(primaryOf('head[detection]/check'));
    expect(stage('head[detection]/kept').chosen).toBe('calibrated');
  });

  it('keeps the calibrated head where training made it worse, and says so with the paired interval', async () => {
    expect(primaryOf('head[segmentation]/trained-check')).toBeLessThan(primaryOf('head[segmentation]/check'));
    expect(stage('head[segmentation]/kept').chosen).toBe('calibrated');
    expect(primaryOf('merged-accuracy[segmentation]')).toBe(primaryOf('head[segmentation]/check'));
    const words =
      /segmentation mIoU [\d.]+ % is below [\d.]+ %, trained asks better: falls short \(−[\d.]+, 95 % between \S+ and \S+\)/;
    expect(ended.stdout).toMatch(words);
    const explained = await installation.run(['explain', 'head[segmentation]/kept', '--root', root]);
    expect(explained.stdout).toMatch(words);
  });

  it.each(['detection', 'segmentation'])('quantises the better of the head before and after finetuning: %s', (task) => {
    const [before, after] = [primaryOf(`base/check[${task}]`), primaryOf(`base/finetune[${task}]/body[0]/check`)];
    expect(stage(`base/adapted[${task}]`).chosen).toBe(after > before ? 'finetuned' : 'unchanged');
    const source = after > before ? `base/finetune[${task}]/pick[0]` : `float[${task}]`;
    expect(stage(`base/head-in[${task}]`).outputs['head']?.digest).toBe(stage(source).outputs['head']?.digest);
  });
});

describe('a merged head below its threshold', () => {
  it('is delivered as short, with exit code 0', () => {
    expect(ended.stdout.trimEnd().split('\n').at(-1)).toMatch(/^Succeeded, short: detection, segmentation: /);
    expect(report.short).toEqual(['detection', 'segmentation']);
    expect(report.finished).toMatchObject({ outcome: 'succeeded', exitCode: 0 });
  });

  it('ends the run with exit code 3 where the policy says so, and nothing is exported', async () => {
    const set = ['--set', 'merged.policy=stop', '--force', 'export'];
    const stopped = await installation.run(['run', workflow, '--root', root, ...set]);
    expect(stopped.exitCode).toBe(3);
    expect(stopped.stdout).toContain('a merged head keeps less of its float accuracy than thresholds.merged asks');
    const after = await reportOf(installation, root);
    expect(jobsRunIn(after)).toEqual([]);
    expect(after.stages.find(({ id }) => String(id) === 'export')?.state).toBe('not-taken');
  });
});
