// headgate as a library: what the documentation shows, events for readers of every pace, interruption, types for users.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { RunEvent } from '../../src/events/run-events.ts';
import { defineKind, listRuns, loadWorkflow, plan, readRun, renderDiagnostics, run } from '../../src/library/main.ts';
import type { Workflow } from '../../src/library/main.ts';
import { FifoReader } from '../support/fifo.ts';
import { installLibrary, installTypes } from '../support/installed-library.ts';

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'headgate-library-'));
});
afterEach(async () => {
  await rm(root, { recursive: true, force: true });
});

const METRICS = `{"format":"headgate-metrics","version":1,"task":"t","primary":"m","values":{"m":0.95},"units":{"m":"fraction"},"higherIsBetter":{"m":true}}`;
const shell = (script: string, output: object, more: object = {}): object => ({
  kind: 'command',
  with: { argv: ['sh', '-c', script, '{output:out}'], outputs: { out: output } },
  ...more,
});
const file = { type: 'file', path: 'out.txt' };

function gated(): object {
  return {
    name: 'library',
    params: { threshold: 0.5 },
    stages: {
      measure: shell(`printf '%s' '${METRICS}' > "$0"`, { type: 'metrics', path: 'm.json' }),
      gate: {
        kind: 'gate',
        inputs: { metrics: 'measure.out' },
        cases: [
          { name: 'pass', criteria: [{ metric: 'primary', atLeast: { $param: 'threshold' } }] },
          { name: 'short', else: true },
        ],
      },
      after: shell('echo done > "$0"', file, { after: 'gate:pass' }),
    },
  };
}

async function load(workflow: object, options: Parameters<typeof loadWorkflow>[1] = {}): Promise<Workflow> {
  await writeFile(join(root, 'workflow.json'), JSON.stringify(workflow));
  const loaded = await loadWorkflow(join(root, 'workflow.json'), { root, ...options });
  if (!loaded.ok) throw new Error(renderDiagnostics(loaded.error));
  return loaded.value;
}

async function eventsOf(running: AsyncIterable<RunEvent>): Promise<readonly RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of running) events.push(event);
  return events;
}

test('a workflow is loaded, planned, run and read back', async () => {
  const workflow = await load(gated());
  expect((await plan(workflow)).totals).toMatchObject({ run: 2, unknown: 1 });
  const running = run(workflow);
  const [events, again] = await Promise.all([eventsOf(running), eventsOf(running)]);
  expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index));
  expect([events[0]?.type, events.at(-1)?.type]).toEqual(['run-started', 'run-finished']);
  expect(again).toEqual(events);
  const { outcome, exitCode, report, files } = await running.finished;
  expect([outcome, exitCode]).toEqual(['succeeded', 0]);
  expect(files.map(({ path }) => path)).toEqual(['.headgate/out/library/after.out.txt']);
  expect(report.stages.map(({ state }) => state)).toEqual(['succeeded', 'succeeded', 'succeeded']);
  expect(await listRuns(root)).toEqual([running.run]);
  expect(await readRun(root, running.run)).toEqual(report);
  expect((await plan(workflow)).totals).toMatchObject({ run: 0, restore: 3 });
  expect((await plan(workflow, { force: ['gate'], until: ['gate'] })).stages).toHaveLength(2);
});

test('an invalid workflow is a value, an unknown stage of the caller’s an exception, a failed stage an outcome', async () => {
  await writeFile(join(root, 'broken.json'), '{"name": "x", "stages": {"a": {"kind": "comand"}}}');
  const broken = await loadWorkflow(join(root, 'broken.json'), { root });
  expect(broken.ok ? '' : renderDiagnostics(broken.error)).toContain('did you mean "command"?');
  const workflow = await load({ name: 'fails', stages: { bad: shell('exit 3', file) } });
  expect(() => run(workflow, { until: ['bat'] })).toThrow('stage "bat" is not in this workflow (did you mean "bad"?)');
  await expect(plan(workflow, { force: ['bat'] })).rejects.toThrow('"bat"');
  expect(await run(workflow).finished).toMatchObject({ outcome: 'failed', exitCode: 1 });
});

describe('interruption', () => {
  const waiting = { name: 'waits', stages: { slow: shell('echo here > fifo; exec tail -f /dev/null', file) } };

  test('by a signal ends the run, by a call likewise', async () => {
    const fifo = await FifoReader.make(join(root, 'fifo'));
    const workflow = await load(waiting);
    const controller = new AbortController();
    const first = run(workflow, { signal: controller.signal });
    await fifo.read();
    controller.abort();
    expect(await first.finished).toMatchObject({ outcome: 'interrupted', exitCode: 130 });
    const second = run(workflow);
    await fifo.read();
    second.interrupt();
    expect((await second.finished).outcome).toBe('interrupted');
  });

  test('before the start lets nothing start', async () => {
    const workflow = await load(waiting);
    const running = run(workflow, { signal: AbortSignal.abort() });
    expect(await running.finished).toMatchObject({ outcome: 'interrupted' });
    expect((await eventsOf(running)).map(({ type }) => type)).not.toContain('stage-started');
  });
});

test('a kind of the calling program’s own runs, and may not stand for one of headgate’s', async () => {
  const program = `
    import { readFileSync, writeFileSync } from 'node:fs';
    const folder = process.argv.at(-1);
    const { token, settings } = JSON.parse(readFileSync(folder + '/job.json', 'utf8'));
    writeFileSync(folder + '/out/text', 'x'.repeat(settings.times));
    writeFileSync(folder + '/result.json', JSON.stringify({ protocol: 1, token, status: 'succeeded', outputs: { text: 'text' }, summary: {} }));`;
  await writeFile(join(root, 'repeat.mjs'), program);
  const declaration = {
    kind: 'acme/repeat',
    summary: 'repeats a letter',
    settings: { type: 'object', properties: { times: { type: 'integer' } } },
    outputs: { text: { type: 'file' } },
    job: { argv: ['node', './repeat.mjs'], folder: root, code: ['./repeat.mjs'] },
  } as const;
  const workflow = await load(
    { name: 'own', stages: { three: { kind: 'acme/repeat', with: { times: 3 } } } },
    { kinds: [defineKind(declaration)] },
  );
  const { files } = await run(workflow).finished;
  expect(await readFile(join(root, files[0]?.path ?? ''), 'utf8')).toBe('xxx');
  expect(() => defineKind({ ...declaration, kind: 'train' })).toThrow('one of headgate');
});

test('the program of the documentation runs as it is printed, in a project that installed headgate', async () => {
  const text = await readFile(join(import.meta.dirname, '../../docs/library.md'), 'utf8');
  const [, program = ''] = /```js\n([\s\S]*?)```/.exec(text) ?? [];
  expect(program).toContain("from 'headgate'");
  await writeFile(join(root, 'program.mjs'), program);
  await writeFile(join(root, 'workflow.json'), JSON.stringify(gated()));
  await installLibrary(root);
  const { stdout } = await promisify(execFile)(process.execPath, ['program.mjs'], { cwd: root });
  expect(stdout).toMatch(
    /^2 stages will run, 0 are cached\nmeasure took \d+ ms\n(gate took \d+ ms\n)?gate chose pass\n(gate took \d+ ms\n)?after took \d+ ms\nsucceeded: 3 stages\n$/,
  );
});

const COMPILER_MS = 300_000; // two programs of TypeScript's, on a machine that does other work too

test('its types check in a strict project that resolves modules as Node does', { timeout: COMPILER_MS }, async () => {
  await installLibrary(root);
  await installTypes(root);
  await writeFile(join(root, 'package.json'), '{"type": "module"}');
  await writeFile(
    join(root, 'user.ts'),
    `import { loadWorkflow, run, type RunEvent } from 'headgate';
     import { calibrate, decode, exportQdq, prepare, type Profile, type Tensor } from 'headgate/qat';
     const profile: Profile = { weights: { bits: 8 }, activations: { bits: 8, unsignedAfterRelu: false } };
     const image: Tensor = { dtype: 'float32', shape: [1, 3, 8, 8], data: new Float32Array(192) };
     const quantised = await calibrate(await prepare(decode(new Uint8Array()), { profile }), [image]);
     const scales: readonly number[] | undefined = (await exportQdq(quantised)).scales[0]?.scale; void scales;
     // @ts-expect-error a network is no graph
     await prepare(quantised.network, { profile });
     const loaded = await loadWorkflow('w.json');
     if (loaded.ok) {
       const running = run(loaded.value, { signal: new AbortController().signal });
       for await (const event of running) if (event.type === 'gate-decided') { const chosen: string = event.chosen; void chosen; }
       const last: RunEvent | undefined = undefined; void last;
       const { exitCode, report } = await running.finished;
       const codes: 0 | 1 | 3 | 130 = exitCode; void codes;
       // @ts-expect-error a report has no such field
       report.nothing;
     }`,
  );
  const program = ts.createProgram([join(root, 'user.ts')], {
    strict: true,
    noEmit: true,
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.Node16,
    moduleResolution: ts.ModuleResolutionKind.Node16,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  });
  // The project's file and the library's own; TypeScript's and Node's declarations are not ours to check.
  const ours = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(root));
  expect(ours.length).toBeGreaterThan(10);
  const found = ours.flatMap((source) => ts.getPreEmitDiagnostics(program, source));
  const problems = found.map(({ messageText, file: at }) => {
    const words = ts.flattenDiagnosticMessageText(messageText, '\n');
    return `${at?.fileName.slice(root.length) ?? ''} ${words}`;
  });
  expect(problems).toEqual([]);
});
