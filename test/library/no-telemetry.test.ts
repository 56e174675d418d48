// Nothing phones home: a process that opens a session of onnxruntime leaves no log of its vendor's telemetry client behind and
// holds no socket of the network, as a worker of the engine and as a program that imports the library.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { environmentOf } from '../../src/execute/job-environment.ts';
import { encodeModel } from '../../src/qat/onnx/codec.ts';
import { smallGraph } from '../qat/networks.ts';
import { dist } from '../support/built-program.ts';

const run = promisify(execFile);
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-'));
  await mkdir(join(folder, 'tmp'));
  await writeFile(join(folder, 'model.onnx'), encodeModel(smallGraph()));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Opens a session and tells which of its sockets are of the network; local ones belong to its standard streams. */
const opens = `
  import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
  import { createSession } from ${JSON.stringify(join(dist, 'qat.js'))};
  const session = await createSession(readFileSync('model.onnx'), { threads: 1, optimisation: 'disabled' });
  const open = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return /^socket:\\[(\\d+)\\]$/.exec(readlinkSync('/proc/self/fd/' + fd))?.slice(1) ?? [];
    } catch {
      return [];
    }
  });
  const tables = ['tcp', 'tcp6', 'udp', 'udp6'].map((name) => readFileSync('/proc/self/net/' + name, 'utf8'));
  const network = open.filter((inode) => tables.some((table) => table.split(/\\s+/).includes(inode)));
  await session.release();
  console.log(JSON.stringify({ inputs: session.inputNames, network }));
`;

test.skipIf(process.platform !== 'linux')('a program that imports the library', async () => {
  await writeFile(join(folder, 'opens.mjs'), opens);
  const { ORT_DISABLE_TELEMETRY: _, ...env } = process.env;
  const { stdout } = await run(process.execPath, ['opens.mjs'], {
    cwd: folder,
    env: { ...env, TMPDIR: join(folder, 'tmp') },
  });
  expect(JSON.parse(stdout)).toEqual({ inputs: ['image'], network: [] });
  expect(await readdir(join(folder, 'tmp'))).toEqual([]);
});

test('every program of a workflow is told so at its start, whatever else of the environment it is given', () => {
  for (const runsOn of ['command', 'program'] as const) {
    const environment = environmentOf({ runsOn, settings: { env: {} } }, { PATH: '/bin', OTHER: '1' });
    expect(environment).toMatchObject({ ok: true, value: { values: { PATH: '/bin', ORT_DISABLE_TELEMETRY: '1' } } });
    expect(environment.ok ? environment.value.keyed : undefined).toEqual({});
  }
});
