// A runner of jobs for tests: speaks the job protocol and does what the job's settings say. Its "training" is a chain of
// hashes, so that a step lost or done twice shows in the output.
//   settings: { steps, outputs: {port: text | {chain: true} | {copy: inputPort} | {tree: {...}}}, conductor, fail, ... }
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createConnection } from 'node:net';
import { dirname, join } from 'node:path';

const folder = process.argv[2];
const request = JSON.parse(readFileSync(join(folder, 'job.json'), 'utf8'));
const { settings, stage, token } = request;

let stopped;
const stopping = new Promise((resolve) => {
  stopped = resolve;
});
let interrupted = false;
const stop = () => {
  interrupted = true;
  stopped();
};
if (!settings.deaf) {
  process.on('SIGINT', stop);
  process.stdin.on('end', stop).on('error', stop).resume();
} else process.on('SIGINT', () => undefined);

const conductor = settings.conductor === undefined ? undefined : createConnection(settings.conductor);
conductor?.setEncoding('utf8').on('error', stop);

async function at(point) {
  if (conductor === undefined) return;
  const answer = new Promise((resolve) => conductor.once('data', resolve));
  conductor.write(`${stage} ${point}\n`);
  await Promise.race([answer, stopping]);
}

function emit(event) {
  appendFileSync(join(folder, 'events.jsonl'), `${JSON.stringify(event)}\n`);
}

function writeAtomic(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.draft`, text);
  renameSync(`${path}.draft`, path);
}

function end(result) {
  writeAtomic(
    join(folder, 'result.json'),
    JSON.stringify({ protocol: settings.protocol ?? 1, token: settings.token ?? token, ...result }),
  );
  process.exit(0);
}

let state = { step: 0, chain: 'start' };
const saved = request.resumeFrom && join(request.resumeFrom, 'state.json');
if (saved && existsSync(saved)) state = JSON.parse(readFileSync(saved, 'utf8'));

await at('started');
for (; state.step < (settings.steps ?? 0);) {
  state = { step: state.step + 1, chain: createHash('sha256').update(`${state.chain} ${state.step}`).digest('hex') };
  emit({ type: 'progress', unit: 'epoch', done: state.step, total: settings.steps, loss: 1 / state.step });
  writeAtomic(join(folder, 'resume/state.json'), JSON.stringify(state));
  await at(`step ${state.step}`);
  if (interrupted) end({ status: 'interrupted' });
}
if (interrupted) end({ status: 'interrupted' });
if (settings.crash) process.kill(process.pid, 'SIGKILL');
if (settings.fail) end({ status: 'failed', failure: settings.fail });
for (const event of settings.events ?? []) emit(event);

const out = join(folder, 'out');
const write = (path, what) => {
  const target = join(out, path);
  mkdirSync(dirname(target), { recursive: true });
  if (typeof what === 'string') writeFileSync(target, what);
  else if (what.chain) writeFileSync(target, state.chain);
  else if (what.copy) copyFileSync(request.inputs[what.copy].path, target);
  else if (what.link) symlinkSync(what.link, target);
  else if (what.tree) {
    mkdirSync(target, { recursive: true });
    for (const [name, inner] of Object.entries(what.tree)) write(join(path, name), inner);
  } else if (what.list) writeFileSync(target, readFileSync(join(request.inputs[what.list].path, what.file), 'utf8'));
};
for (const [port, what] of Object.entries(settings.outputs ?? {})) write(port, what);
await at('finished');
end({
  status: 'succeeded',
  outputs: settings.paths ?? Object.fromEntries(Object.keys(settings.outputs ?? {}).map((port) => [port, port])),
  summary: settings.summary ?? {},
});
