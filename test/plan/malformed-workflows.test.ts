import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderDiagnostics } from '../../src/diagnostics/render.ts';
import { loadWorkflow } from '../../src/plan/load-workflow.ts';

const folder = 'test/fixtures/workflows';
const names = readdirSync(folder).flatMap((file) => (file.endsWith('.json') ? [file.slice(0, -'.json'.length)] : []));

describe('a malformed workflow is refused with its place, cause and remedy', () => {
  it.each(names)('%s', async (name) => {
    const loaded = await loadWorkflow(join(folder, `${name}.json`), { root: folder });
    const text = loaded.ok ? 'the workflow was accepted\n' : renderDiagnostics(loaded.error);
    expect(loaded.ok).toBe(false);
    await expect(text).toMatchFileSnapshot(`../fixtures/workflows/${name}.txt`);
  });

  it('has at least twenty of them', () => {
    expect(names.length).toBeGreaterThanOrEqual(20);
  });
});
