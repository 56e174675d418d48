// What the shipped workflows deliver: nothing that was trained goes on without having been compared with what it was trained
// from, and what is merged meets a last gate against float.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderDiagnostics } from '../../src/diagnostics/render.ts';
import { loadWorkflow, type LoadOptions } from '../../src/plan/load-workflow.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { idsOf, readersOf, stageOf } from './plan-of.ts';

/** Those that follow the strategy. */
const workflows = readdirSync('workflows').filter(
  (file) => file.endsWith('.json') && readFileSync(join('workflows', file), 'utf8').includes('parts/strategy.json'),
);

/** A folder in which every file exists that the workflows name by default. */
const root = mkdtempSync(join(tmpdir(), 'headgate-plan-'));
for (const folder of ['data/camvid', '.headgate/out/fashion-scenes/merge.merged'])
  mkdirSync(join(root, folder), { recursive: true });
writeFileSync(join(root, 'model.onnx'), '');

async function load(file: string, options: LoadOptions): Promise<Plan> {
  const plan = await loadWorkflow(join('workflows', file), { root, ...options });
  if (!plan.ok) throw new Error(renderDiagnostics(plan.error));
  return plan.value;
}

describe.each([...workflows, 'add-head.json'])('what workflows/%s delivers', (file) => {
  it('is of every scope the better of calibrated and trained, and of every head the better of before and after finetuning', async () => {
    for (const set of [['profile=w8a8'], ['profile=w4a4'], ['profiles=["w4a4","w8a16"]']]) {
      const plan = await load(file, { set });
      const trained = idsOf(plan).filter((id) => id.endsWith('/trained') && idsOf(plan).includes(`${id}-check`));
      expect(trained.length).toBeGreaterThan(0);
      for (const id of trained) {
        const ladder = id.slice(0, -'/trained'.length);
        expect(stageOf(plan, `${ladder}/kept`).settings['cases']).toEqual([
          { name: 'trained', criteria: [{ metric: 'primary', minImprovement: 0, strict: true }] },
          { name: 'calibrated', criteria: [] },
        ]);
        expect(readersOf(plan, id)).toEqual([`${ladder}/better`, `${ladder}/trained-check`]);
      }
      const finetuned = idsOf(plan).filter((id) => /finetune\[\w+\]\/pick\[0\]$/.test(id));
      expect(finetuned.length).toBeGreaterThan(0);
      for (const id of finetuned)
        expect(readersOf(plan, id).map((reader) => reader.replace(/^.*\/|\[.*$/g, ''))).toEqual(['adapted', 'better']);
    }
  });

  it('meets a last gate against float, whose other case is short or a stop', async () => {
    for (const policy of ['short', 'stop']) {
      const plan = await load(file, { set: [`merged.policy=${policy}`] });
      const gates = plan.stages.filter(({ id }) => id.startsWith('merged-gate['));
      expect(gates.length).toBeGreaterThan(0);
      for (const { settings } of gates)
        expect(settings['cases']).toEqual([
          { name: 'pass', criteria: [{ metric: 'primary', percentOfReference: 99 }] },
          { name: policy, criteria: [], ...(policy === 'short' ? { short: true } : {}) },
        ]);
      expect(stageOf(plan, 'export').after.map((after) => after.kind === 'case' && after.ref.gate)).toEqual(
        gates.map(({ id }) => id),
      );
    }
  });
});
