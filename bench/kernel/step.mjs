// A training step, headgate beside PyTorch: float and QAT, on three networks, at one and two threads. Every arm is a process
// of its own that keeps its session; they take a few steps in turns, so that what else the machine does meets all alike.
//
//   HEADGATE_PYTHON=…/python node bench/kernel/step.mjs [--rounds 7] [--steps 4] [--threads 1,2] [--networks U-Net-like]
//                                                       [--phases follow,fixed] [--save]
//   node bench/kernel/step.mjs --compile [--rounds 7] [--save]
//
// The Python is one with torch. With --save: docs/results/kernel.json, and the tables of kernel.md. With --compile: only what
// the first step waits for, in a new process each time, without PyTorch; saved, it replaces that part.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { importTypeScript } from '../../scripts/import-typescript.mjs';
import { root } from '../../scripts/places.mjs';
import { machine as describeMachine } from '../machine.mjs';
import { median } from '../engine/stats.mjs';
import { compileText, pageOf, ratiosOf } from './step-page.mjs';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    steps: { type: 'string', default: '4' },
    threads: { type: 'string', default: '1,2' },
    networks: { type: 'string' },
    phases: { type: 'string', default: 'follow,fixed' },
    arm: { type: 'string' },
    compile: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
  },
});

if (options.arm !== undefined) {
  const { runArm } = await importTypeScript(join(root, 'bench/kernel/step-arm.ts'));
  await runArm(JSON.parse(options.arm));
  process.exit(0);
}

/** Rows of a profile. */
const MOST_OPERATORS = 10;

const python = process.env.HEADGATE_PYTHON ?? 'python3';
const { networks } = await importTypeScript(join(root, 'bench/kernel/networks.ts'));
const { profileStep } = await importTypeScript(join(root, 'bench/kernel/profile.ts'));
const wanted = options.networks?.split(',') ?? networks.map(({ name }) => name);
const phases = options.phases.split(',');

class Arm {
  constructor(command, args, first) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
    if (first !== undefined) this.child.stdin.write(`${JSON.stringify(first)}\n`);
  }

  async answer() {
    const { value, done } = await this.lines.next();
    if (done) throw new Error('an arm of the race ended early');
    return JSON.parse(value);
  }

  take(steps) {
    this.child.stdin.write(`${JSON.stringify({ steps })}\n`);
    return this.answer();
  }

  end() {
    this.child.stdin.end();
  }
}

function startArm(tool, network, state, phase, threads) {
  if (tool === 'PyTorch') {
    return new Arm(python, [join(root, 'bench/kernel/torch_step.py')], { network, state, phase, threads });
  }
  const request = JSON.stringify({ network: network.name, state, phase, threads });
  return new Arm(process.execPath, [join(root, 'bench/kernel/step.mjs'), '--arm', request]);
}

/** What the first step of a deep network waits for: medians over new processes, in milliseconds. */
async function compileDeep() {
  const all = [];
  for (let round = 0; round < +options.rounds; round++) {
    const arm = startArm('headgate', { name: 'deep ResNet-like' }, 'QAT', 'follow', 1);
    all.push(await arm.answer());
    arm.end();
  }
  const [{ nodes, trainingNodes }] = all;
  const [compileMs, programMs, sessionMs] = ['compileMs', 'programMs', 'sessionMs'].map((key) =>
    median(all.map((one) => one[key])),
  );
  return { nodes, trainingNodes, compileMs, programMs, sessionMs, processes: all.length };
}

function save(results) {
  const out = join(root, 'docs/results');
  writeFileSync(join(out, 'kernel.json'), `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(join(out, 'kernel.md'), pageOf(results));
}

if (options.compile) {
  const compiled = await compileDeep();
  console.log(compileText(compiled).join('\n'));
  if (options.save) {
    const earlier = JSON.parse(readFileSync(join(root, 'docs/results/kernel.json'), 'utf8'));
    save({ ...earlier, compiled: { ...compiled, apart: `run alone, ${today()} UTC` } });
  }
  process.exit(0);
}

const rows = [];
let version;
for (const network of networks.filter(({ name }) => wanted.includes(name))) {
  for (const threads of options.threads.split(',').map(Number)) {
    const field = [];
    for (const tool of ['headgate', 'PyTorch']) {
      field.push({ tool, label: 'float', arm: startArm(tool, network, 'FLOAT', 'follow', threads) });
      for (const phase of phases) {
        field.push({ tool, label: `QAT ${phase}`, arm: startArm(tool, network, 'QAT', phase, threads) });
      }
    }
    for (const entry of field) {
      const first = await entry.arm.answer();
      version = first.version ?? version;
      Object.assign(entry, { compileMs: first.compileMs, times: [] });
      await entry.arm.take(2);
    }
    for (let round = 0; round < +options.rounds; round++) {
      for (const entry of field) {
        const { ms, mebibytes } = await entry.arm.take(+options.steps);
        entry.times.push(ms / +options.steps);
        entry.mebibytes = mebibytes;
      }
    }
    for (const { tool, label, times, compileMs, mebibytes, arm } of field) {
      arm.end();
      rows.push({
        network: network.name,
        threads,
        tool,
        label,
        ms: median(times),
        least: Math.min(...times),
        most: Math.max(...times),
        compileMs,
        mebibytes,
      });
      console.error(
        `${network.name}, ${threads} threads, ${tool}, ${label}: ${median(times).toFixed(1)} ms, ${Math.round(mebibytes)} MiB`,
      );
    }
  }
}
const compiled = await compileDeep();
const longRun = startArm('headgate', { name: 'small ResNet-like' }, 'QAT', 'follow', 1);
await longRun.answer();
const early = await longRun.take(100);
const late = await longRun.take(900);
longRun.end();
const memory = { after100: early.now, after1000: late.now };
const missed = ratiosOf(rows).filter(({ met }) => !met);
const profiles = [];
for (const { network, label } of missed) {
  if (profiles.some((one) => one.network === network && one.label === label)) continue;
  const [state, phase = 'follow'] = label === 'float' ? ['FLOAT'] : label.split(' ');
  const operators = [];
  for (const threads of [1, 2])
    operators.push((await profileStep({ network, state, phase, threads })).slice(0, MOST_OPERATORS));
  profiles.push({ network, label, operators });
}
const machine = `${describeMachine()}, PyTorch ${version}`;
const command = `node bench/kernel/step.mjs ${process.argv
  .slice(2)
  .filter((word) => word !== '--save')
  .join(' ')}`.trim();
const results = {
  date: today(),
  machine,
  command,
  compiled,
  memory,
  rows,
  profiles,
};
console.log(pageOf(results));
if (options.save) save(results);

function today() {
  return new Date().toISOString().slice(0, 16).replace('T', ' ');
}
