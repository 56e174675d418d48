// Environment variables of a command: declared, keyed, and secrets nowhere but in the program. What is kept is searched whole.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { PlannedStage } from '../../src/plan/plan.ts';
import { foldRun } from '../../src/report/run-report.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { Engine, ofType } from '../support/engine.ts';
import { plan, script, stage } from '../support/plans.ts';

const SECRET = 'hf_9sPq7"xY+z/w=';
let engine: Engine;
beforeEach(async () => {
  engine = await Engine.inNewFolder();
  vi.stubEnv('DEMO_TOKEN', SECRET);
  vi.stubEnv('DEMO_MODE', 'fast');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await engine.remove();
});

const withEnv = (env: JsonObject | readonly string[], code: string): PlannedStage =>
  script(
    'job',
    `const fs = require('fs'); const out = process.argv[1]; const token = process.env.DEMO_TOKEN; ${code}`,
    {
      args: ['{output:out}'],
      settings: { env },
    },
  );
const secret = { DEMO_TOKEN: { secret: true } };

/** Every file of the store and the runs that holds the value, in any of the forms it takes. */
async function leaks(): Promise<readonly string[]> {
  const forms = [
    SECRET,
    JSON.stringify(SECRET).slice(1, -1),
    encodeURIComponent(SECRET),
    Buffer.from(SECRET).toString('base64'),
  ];
  const home = join(engine.root, '.headgate');
  const names = (await readdir(home, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  expect(names.length).toBeGreaterThan(3);
  const found = await Promise.all(
    names.map(async ({ parentPath, name }) => {
      const text = await readFile(join(parentPath, name), 'utf8');
      return forms.some((form) => text.includes(form) || name.includes(form)) ? [name] : [];
    }),
  );
  return found.flat();
}

const PRINTS = `
  process.stdout.write('begin ' + token.slice(0, 5)); process.stdout.write(token.slice(5) + ' end');
  console.log(token); console.error('Authorization: Basic ' + Buffer.from('me:' + token).toString('base64'));
  console.error('GET https://x/?t=' + encodeURIComponent(token)); console.error(JSON.stringify({ token }));
  fs.appendFileSync(process.env.HEADGATE_JOB + '/events.jsonl', JSON.stringify({ type: 'note', level: 'info', text: 'with ' + token }) + '\\n');
  fs.writeFileSync(process.env.HEADGATE_JOB + '/debug.txt', 'token=' + token);
  fs.writeFileSync(process.env.HEADGATE_JOB + '/' + encodeURIComponent(token), '');
  process.stderr.write('partial ' + token);`;

describe('a secret', () => {
  test('reaches the program and nothing that is kept, printed or not', async () => {
    const { events, states } = await engine.run(
      plan([withEnv(secret, `${PRINTS} fs.writeFileSync(out, String(token.length))`)]),
    );
    expect(states).toEqual({ job: 'succeeded' });
    expect(await leaks()).toEqual([]);
    expect(JSON.stringify(events)).not.toContain('hf_9s');
    const job = join(engine.root, '.headgate/runs', events[0]?.run ?? '', 'jobs/job/1');
    expect(await readFile(join(job, 'stdout.log'), 'utf8')).toBe('begin [secret DEMO_TOKEN] end[secret DEMO_TOKEN]\n');
    expect(ofType(events, 'job-reported')[0]?.event).toMatchObject({ text: 'with [secret DEMO_TOKEN]' });
    expect(ofType(events, 'stage-succeeded')[0]?.outputs['out']?.bytes).toBe(2);
  });

  test('of a failing program is not in its failure, its logs or the report', async () => {
    const failing = withEnv(secret, `${PRINTS} fs.writeFileSync(out, token); process.exitCode = 4`);
    const { events } = await engine.run(plan([failing]));
    expect(await leaks()).toEqual([]);
    const failure = ofType(events, 'stage-failed')[0]?.failure;
    expect(failure).toMatchObject({ reason: 'command-exited', exitCode: 4 });
    expect(JSON.stringify(failure)).toContain('partial [secret DEMO_TOKEN]');
    expect(JSON.stringify(foldRun(events))).not.toContain('hf_9s');
  });

  test.each(['command', 'reason', 'succeeded', 'file', 'bytes', 'note', 'type', 'name'])(
    'that is one of headgate’s own words (%s) changes no record that headgate makes',
    async (word) => {
      vi.stubEnv('DEMO_TOKEN', word);
      const note = `fs.appendFileSync(process.env.HEADGATE_JOB + '/events.jsonl',
        JSON.stringify({ type: 'note', level: 'info', text: 'with ' + token }) + '\\n');`;
      const good = await engine.run(plan([withEnv(secret, `${note} fs.writeFileSync(out, '1')`)]));
      expect(good.states).toEqual({ job: 'succeeded' });
      expect(ofType(good.events, 'job-reported')[0]?.event).toEqual({
        type: 'note',
        level: 'info',
        text: 'with [secret DEMO_TOKEN]',
      });
      const bad = await engine.run(plan([withEnv(secret, `console.error(token + ' is bad'); process.exitCode = 4`)]));
      expect(ofType(bad.events, 'stage-failed')[0]?.failure).toEqual({
        reason: 'command-exited',
        exitCode: 4,
        signal: null,
        stderrTail: '[secret DEMO_TOKEN] is bad',
      });
      expect((await engine.run(plan([withEnv(secret, `${note} fs.writeFileSync(out, '1')`)]))).states).toEqual({
        job: 'cached',
      });
    },
  );

  test('that is part of a log’s name leaves the log where it is', async () => {
    vi.stubEnv('DEMO_TOKEN', 'stdout');
    const { events } = await engine.run(plan([withEnv(secret, `console.log('so ' + token); process.exitCode = 4`)]));
    const job = join(engine.root, '.headgate/runs', events[0]?.run ?? '', 'jobs/job/1');
    expect(await readFile(join(job, 'stdout.log'), 'utf8')).toBe('so [secret DEMO_TOKEN]\n');
  });

  test('in an output is refused, and the output is not kept', async () => {
    const { events } = await engine.run(plan([withEnv(secret, `fs.writeFileSync(out, 'key: ' + token)`)]));
    expect(ofType(events, 'stage-failed')[0]?.failure).toEqual({
      reason: 'secret-in-output',
      port: 'out',
      path: 'out',
      secret: 'DEMO_TOKEN',
    });
    expect(await leaks()).toEqual([]);
  });

  const name = 'encodeURIComponent(token)';
  test.each([
    ['a file', `fs.mkdirSync(out); fs.writeFileSync(out + '/a' + ${name}, '')`],
    ['a folder', `fs.mkdirSync(out + '/' + ${name}, { recursive: true }); fs.writeFileSync(out + '/b', '')`],
    [
      'a folder above a file',
      `fs.mkdirSync(out + '/' + ${name}, { recursive: true }); fs.writeFileSync(out + '/' + ${name} + '/b', '')`,
    ],
    [
      'a file that is no UTF-8',
      `fs.mkdirSync(out); fs.writeFileSync(Buffer.concat([Buffer.from(out + '/'), Buffer.from([0xff]), Buffer.from(${name})]), '')`,
    ],
    [
      'where a link leads',
      `fs.mkdirSync(out); fs.writeFileSync(out + '/b', ''); fs.symlinkSync('./x/' + ${name} + '/../../b', out + '/l')`,
    ],
  ])('in the name of %s of an output is refused, and nothing of it is kept', async (_what, code) => {
    const { events } = await engine.run(plan([withEnv(secret, code)]));
    expect(ofType(events, 'stage-failed')).toHaveLength(1);
    expect(await leaks()).toEqual([]);
    const home = join(engine.root, '.headgate');
    const entries = await readdir(home, { recursive: true, withFileTypes: true });
    const links = entries.filter((entry) => entry.isSymbolicLink());
    expect(entries.map((entry) => entry.name).filter((entry) => entry.includes(encodeURIComponent(SECRET)))).toEqual(
      [],
    );
    expect(links).toEqual([]);
  });

  test('in the name of a file that a program writes elsewhere is not told', async () => {
    const { events } = await engine.run(
      plan([withEnv(secret, `fs.writeFileSync(out, ''); fs.writeFileSync('left-' + ${name}, '')`)]),
    );
    expect(JSON.stringify(events)).toContain('left-[secret DEMO_TOKEN] changed in the project');
    expect(JSON.stringify(events)).not.toContain(encodeURIComponent(SECRET));
  });

  test('may change without anything running again, and is keyed by its name', async () => {
    const uses = withEnv(secret, `fs.writeFileSync(out, token ? 'ok' : 'no')`);
    await engine.run(plan([uses]));
    vi.stubEnv('DEMO_TOKEN', 'another one');
    expect((await engine.run(plan([uses]))).states).toEqual({ job: 'cached' });
    expect((await engine.run(plan([{ ...uses, settings: { ...uses.settings, env: {} } }]))).states).toEqual({
      job: 'succeeded',
    });
  });

  test('that is too short to be found in text is refused before anything starts', async () => {
    vi.stubEnv('DEMO_TOKEN', 'abc');
    const { events } = await engine.run(plan([withEnv(secret, '')]));
    expect(ofType(events, 'stage-failed')[0]?.failure).toEqual({
      reason: 'secret-too-short',
      name: 'DEMO_TOKEN',
      shortest: 4,
    });
    expect(ofType(events, 'stage-started')).toEqual([]);
  });
});

describe('a declared variable', () => {
  const prints = (env: JsonObject | readonly string[], name: string): PlannedStage =>
    withEnv(env, `fs.writeFileSync(out, String(process.env.${name}))`);
  const states = async (stage: PlannedStage) => (await engine.run(plan([stage]))).states['job'];

  test('enters the key by its value, which explain can name', async () => {
    expect(await states(prints(['DEMO_MODE'], 'DEMO_MODE'))).toBe('succeeded');
    expect(await states(prints(['DEMO_MODE'], 'DEMO_MODE'))).toBe('cached');
    vi.stubEnv('DEMO_MODE', 'slow');
    const { events } = await engine.run(plan([prints(['DEMO_MODE'], 'DEMO_MODE')]));
    expect(ofType(events, 'stage-started')[0]?.cause).toMatchObject({
      because: 'changed',
      changes: [{ pointer: '/env/DEMO_MODE' }],
    });
  });
  test('may be left out of the key', async () => {
    const own = prints({ DEMO_MODE: { keyed: false } }, 'DEMO_MODE');
    expect(await states(own)).toBe('succeeded');
    vi.stubEnv('DEMO_MODE', 'slow');
    expect(await states(own)).toBe('cached');
  });
  test.each([
    ['a literal value', { X: 'seven' }, 'X', 'seven'],
    ['another variable', { X: { from: 'DEMO_MODE' } }, 'X', 'fast'],
    ['a default', { NOT_SET_ANYWHERE: { default: 'eight' } }, 'NOT_SET_ANYWHERE', 'eight'],
    ['nothing: it is not passed on', {}, 'DEMO_MODE', 'undefined'],
  ])('may come from %s', async (_, env, name, value) => {
    const { events } = await engine.run(plan([prints(env, name)]));
    const digest = ofType(events, 'stage-succeeded')[0]?.outputs['out']?.digest ?? '';
    expect(await readFile(join(engine.root, '.headgate/objects', digest.slice(0, 2), digest), 'utf8')).toBe(value);
  });
  test('that is missing fails the stage before anything starts, with all names', async () => {
    const { events } = await engine.run(plan([prints(['NOT_SET_A', 'DEMO_MODE', 'NOT_SET_B'], 'DEMO_MODE')]));
    expect(ofType(events, 'stage-failed')[0]?.failure).toEqual({
      reason: 'variable-missing',
      names: ['NOT_SET_A', 'NOT_SET_B'],
    });
    expect(ofType(events, 'stage-started')).toEqual([]);
  });
});

test('a program of a package sees declared variables only, and its secrets are kept nowhere', async () => {
  vi.stubEnv('UNDECLARED', 'unseen');
  const code = `
    const fs = require('fs'); const home = process.argv[1]; const { token } = JSON.parse(fs.readFileSync(home + '/job.json', 'utf8'));
    const { DEMO_TOKEN, DEMO_MODE, UNDECLARED } = process.env;
    console.log(DEMO_TOKEN); fs.appendFileSync(home + '/events.jsonl', JSON.stringify({ type: 'note', level: 'info', text: 'with ' + DEMO_TOKEN }) + '\\n');
    fs.writeFileSync(home + '/out/seen', [DEMO_TOKEN.length, DEMO_MODE, UNDECLARED].join());
    fs.writeFileSync(home + '/result.json', JSON.stringify({ protocol: 1, token, status: 'succeeded', outputs: { out: 'seen' }, summary: {} }));`;
  const labels: PlannedStage = {
    ...stage('labels', 'label', {
      runsOn: 'program',
      outputs: { out: 'file' },
      settings: { env: { ...secret, DEMO_MODE: {} } },
    }),
    program: { argv: [process.execPath, '-e', code], declared: ['node'] },
  };
  const { states, events } = await engine.run(plan([labels]));
  expect(states).toEqual({ labels: 'succeeded' });
  const digest = ofType(events, 'stage-succeeded')[0]?.outputs['out']?.digest ?? '';
  const seen = await readFile(join(engine.root, '.headgate/objects', digest.slice(0, 2), digest), 'utf8');
  expect(seen).toBe(`${SECRET.length},fast,`);
  expect(await leaks()).toEqual([]);
});
