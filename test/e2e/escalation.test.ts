// When finetuning is used up the strategy goes on with a wider backbone, by itself: the shipped workflow through the command
// line, on tiny data and with real processes.
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunReport } from '../../src/report/run-report.ts';
import { decodeCheckpointFile } from '../../src/backends/embedded/inputs.ts';
import { scopeDigest } from '../../src/qat/quantize/checkpoint.ts';
import { openStore } from '../../src/store/store.ts';
import type { Digest } from '../../src/support/digest.ts';
import { Installation } from './installation.ts';
import { jobsRunIn, reportOf, succeeded } from './project-report.ts';
import { removeProject, writeWorkflow } from './tiny-project.ts';
import { makeTrainedProject } from './trained-project.ts';

const SHORT = {
  backbone: { qat: { epochs: 2 } },
  heads: {
    detection: { finetune: { epochs: 2 }, qat: { epochs: 2 } },
    segmentation: { finetune: { epochs: 2 }, qat: { epochs: 2 } },
  },
  finetune: { attempts: 1 },
};
/** No head ever gets its accuracy back. */
const NEVER_BACK = ['--set', 'thresholds.finetuned=1000'];
const ESCALATE = ['--set', 'escalate=w8a16'];

let installation: Installation;
let root: string;
let workflow: string;
const call = (...args: readonly string[]) => installation.run([...args, '--root', root]);

beforeAll(async () => {
  installation = await Installation.build();
  root = await makeTrainedProject(installation);
  workflow = await writeWorkflow(root, 'fashion-scenes.json', SHORT);
}, 60_000);
afterAll(async () => {
  await removeProject(root);
  await installation.remove();
});

const stateOf = (report: RunReport, stage: string) => report.stages.find(({ id }) => String(id) === stage);

describe('a run whose heads are all back', () => {
  let report: RunReport;
  beforeAll(async () => {
    succeeded(await call('run', workflow, ...ESCALATE));
    report = await reportOf(installation, root);
  }, 120_000);

  it('keeps its backbone and takes nothing of the wider one', () => {
    expect(stateOf(report, 'escalation')).toMatchObject({ state: 'succeeded', chosen: 'keep' });
    const wider = report.stages.filter(({ id }) => id.startsWith('wider/'));
    expect(wider.length).toBeGreaterThan(30);
    expect(new Set(wider.map(({ state }) => state))).toEqual(new Set(['not-taken']));
  });

  it('says which decisions that came of', async () => {
    const { stdout } = succeeded(await call('explain', 'escalation', '--file', workflow, ...ESCALATE));
    // `pass`: finetuning did not help, and the head as it was is good enough.
    expect(stdout).toMatch(
      /detection → (done|pass), segmentation → (done|pass); keep asks pass or done of every one: holds/,
    );
  });

  it('runs nothing again when escalation is declared no more', async () => {
    succeeded(await call('run', workflow));
    expect(jobsRunIn(await reportOf(installation, root))).toEqual([]);
  });
});

describe('a run whose attempts are used up', () => {
  it('ends with exit code 3 and names the parameter, without escalation', async () => {
    const ended = await call('run', workflow, ...NEVER_BACK);
    expect(ended.exitCode).toBe(3);
    expect(ended.stdout + ended.stderr).toContain('--set escalate=');
  });

  describe('with escalation', () => {
    const set = [...NEVER_BACK, ...ESCALATE, '--set', 'finetune.onExhausted=last'];
    let planned: string;
    let report: RunReport;
    beforeAll(async () => {
      planned = succeeded(await call('plan', workflow, ...set)).stdout;
      succeeded(await call('run', workflow, ...set));
      report = await reportOf(installation, root);
    }, 180_000);

    it('is planned to, as far as it is known', () => {
      expect(planned).toMatch(/^escalation .*→ escalate/m);
      expect(planned).toContain('keep asks pass or done of every one');
      expect(planned).toMatch(/^wider\/backbone\/calibrate +run: /m);
      expect(planned).toMatch(/^merge .*unknown until wider\/backbone\/gate has decided/m);
    });

    it('quantises the backbone again in the wider format, and adapts both heads to it', () => {
      expect(stateOf(report, 'escalation')).toMatchObject({ chosen: 'escalate' });
      expect(jobsRunIn(report)).toEqual(
        expect.arrayContaining([
          'wider/backbone/calibrate',
          'wider/finetune[detection]/body[0]/train',
          'wider/finetune[segmentation]/body[0]/train',
          'head[detection]/calibrate',
          'merge',
          'export',
        ]),
      );
    });
  });
});

describe('a 4-bit backbone on which finetuning does not bring the heads back', () => {
  const TASKS = ['detection', 'segmentation'];
  /** Percent of float. Measured here: 82 and 94 on w4a4, above 100 on w8a16; chance would not move them that far. */
  const FINETUNED = 95;
  /** Trained to where 4 bits hurt, and finetuned for one epoch only, once. */
  const params = {
    thresholds: { accept: 1, finetuned: FINETUNED },
    finetune: { attempts: 1 },
    heads: { detection: { finetune: { epochs: 1 } }, segmentation: { finetune: { epochs: 1 } } },
  };
  let project: string;
  let report: RunReport;
  beforeAll(async () => {
    project = await makeTrainedProject(installation);
    const file = await writeWorkflow(project, 'fashion-scenes.json', params);
    const set = ['--set', 'profile=w4a4', ...ESCALATE];
    succeeded(await installation.run(['run', file, ...set, '--root', project]));
    report = await reportOf(installation, project);
  }, 120_000);
  afterAll(() => removeProject(project));

  /** The primary metric, in percent of float. */
  function percentOf(stage: string, task: string): number {
    const [value, float] = [`${stage.replace('*', task)}`, `float-accuracy[${task}]`].map((id) => {
      const facts = stateOf(report, id)?.facts.metrics[0];
      return facts?.values[facts.primary] ?? NaN;
    });
    return (100 * (value ?? NaN)) / (float ?? NaN);
  }

  const digestOf = (stage: string, port: string): Digest => stateOf(report, stage)?.outputs[port]?.digest as Digest;

  it('has them back on the wider backbone, to the threshold that the first one missed', () => {
    for (const task of TASKS) {
      expect(percentOf('base/finetune[*]/body[0]/check', task)).toBeLessThan(FINETUNED);
      expect(percentOf('wider/finetune[*]/body[0]/check', task)).toBeGreaterThanOrEqual(FINETUNED);
      expect(stateOf(report, `base/finetune[${task}]/until[0]`)).toMatchObject({ chosen: 'exhausted' });
      expect(stateOf(report, `wider/finetune[${task}]/until[0]`)).toMatchObject({ chosen: 'done' });
    }
    expect(stateOf(report, 'escalation')).toMatchObject({ chosen: 'escalate' });
  });

  it('has heads that were made on the wider backbone, and merges them with it', async () => {
    const checkpoint = async (stage: string, port: string) =>
      decodeCheckpointFile(await readFile(openStore(project).objects.pathOf(digestOf(stage, port))));
    const wider = await checkpoint('wider/frozen', 'backbone');
    expect(wider.quant?.profile.activations.bits).toBe(16);
    expect(digestOf('frozen', 'backbone')).toBe(digestOf('wider/frozen', 'backbone'));
    expect(digestOf('frozen', 'backbone')).not.toBe(digestOf('base/frozen', 'backbone'));
    for (const task of TASKS) {
      const head = await checkpoint(`head[${task}]/chosen`, 'quantised');
      expect(head.backbone).toBe(scopeDigest(wider));
      expect(head.quant?.profile.weights.bits).toBe(4);
    }
    expect(stateOf(report, 'merge')).toMatchObject({ state: 'succeeded' });
  });
});
