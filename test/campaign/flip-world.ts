// One store that is damaged again and again, each time followed by a run whose readers read every object of it. What they
// read is told beforehand by the programs' own function, so a damaged byte that was believed shows.
import {
  chmodSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { RunEvent } from '../../src/events/run-events.ts';
import { deliverOutputs } from '../../src/execute/deliver-outputs.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { foldRun } from '../../src/report/run-report.ts';
import { openStore } from '../../src/store/store.ts';
import { digestFile } from '../../src/support/digest.ts';
import type { Random } from '../../src/support/random.ts';
import { Engine, ofType } from '../support/engine.ts';
import { collect, ELSE, gate, oneOf, plan, stage } from '../support/plans.ts';
import { filesBelow } from './damage.ts';
import { journalsOf } from './end-state.ts';
import { produce, pureJobs, seen, sha256, type Content } from './pure-jobs.ts';

export interface Round {
  /** Folder of the store that was damaged: objects, actions, runs … */
  readonly kind: string;
  readonly how: string;
  /** `found`: told by an event or made again; `harmless`: nothing was lost that anybody reads. */
  readonly end: 'found' | 'harmless';
  readonly faults: readonly string[];
}

/** A whole second, so that it can be put back exactly after a flip. */
const STAMP_S = 1_500_000_000;

const OUTPUTS = {
  out: { type: 'file', path: 'out.txt' },
  folder: { type: 'dataset', path: 'folder' },
  metrics: { type: 'metrics', path: 'metrics.json' },
} as const;
const READ = { out: { type: 'file', path: 'read.txt' } } as const;

function program(id: string, words: readonly string[], inputs: object, more: object = {}, outputs: object = OUTPUTS) {
  const ports = Object.entries(outputs as typeof OUTPUTS).map(([port, { type }]) => [port, type] as const);
  return stage(id, 'command', {
    inputs: inputs as { [port: string]: string },
    outputs: Object.fromEntries(ports),
    settings: { argv: [`label=${id}`, ...words], outputs: outputs as typeof OUTPUTS },
    ...more,
  });
}

/** @param salt makes every reader run again. */
function planOf(salt: number): Plan {
  const reader = (of: string) =>
    program(`read-${of}`, [`salt=${salt}`], { a: `${of}.out`, b: `${of}.folder`, c: `${of}.metrics` }, {}, READ);
  return plan([
    program('data', [], {}),
    program('prepare', [], { data: 'data.folder' }),
    program('measure', [], { in: 'prepare.out', all: collect({ x: 'data.out', y: 'prepare.out' }) }),
    gate('good', 'measure.metrics', [
      { name: 'never', criteria: [{ metric: 'score', atLeast: 2 ** 40 }] },
      ELSE('low'),
    ]),
    program('tune', [], { in: 'prepare.out' }, { after: ['good:low'] }),
    stage('chosen', 'select', {
      inputs: { out: oneOf({ 'good:never': 'prepare.out', 'good:low': 'tune.out' }) },
      outputs: { out: 'file' },
    }),
    program('final', [], { in: 'chosen.out' }, {}, READ),
    ...['data', 'prepare', 'measure', 'tune'].map(reader),
    program('judge', [`salt=${salt}`], { verdict: 'good.verdict', final: 'chosen.out' }, {}, READ),
  ]);
}

/** What every program stage of the plan gives, told without the engine. */
function truth(salt: number): ReadonlyMap<string, { readonly [port: string]: Content }> {
  const made = new Map<string, { readonly [port: string]: Content }>();
  for (const { id, kind, settings, inputs } of planOf(salt).stages) {
    if (kind !== 'command' || id === 'judge') continue;
    const read: { [port: string]: string } = {};
    const look = (port: string, from: { readonly stage: string; readonly port: string }): void => {
      const producer = from.stage === 'chosen' ? 'tune' : from.stage;
      read[port] = seen(made.get(producer)?.[from.port] ?? '');
    };
    for (const [port, binding] of Object.entries(inputs)) {
      if (binding.shape === 'one') look(port, binding.from);
      if (binding.shape === 'collect') for (const item of binding.items) look(`${port}[${item.key}]`, item.from);
    }
    const { argv, outputs } = settings;
    made.set(id, produce(argv as readonly string[], outputs as typeof OUTPUTS, read));
  }
  return made;
}

export class FlipWorld {
  private readonly engine: Engine;
  private salt = 0;
  /** Objects that the next readers will read. */
  private readonly needed = new Set<string>();

  private constructor(engine: Engine) {
    this.engine = engine;
  }

  static async make(): Promise<FlipWorld> {
    const world = new FlipWorld(await Engine.inNewFolder());
    await world.run();
    return world;
  }

  remove(): Promise<void> {
    return this.engine.remove();
  }

  async round(random: Random): Promise<Round> {
    const home = join(this.engine.root, '.headgate');
    for (const path of filesBelow(home)) utimesSync(path, STAMP_S, STAMP_S);
    await this.run(); // the stamps are known now
    const kinds = new Map<string, string[]>();
    for (const path of [...filesBelow(home)].sort()) {
      const [kind = ''] = path.slice(home.length + 1).split('/');
      if (kind === 'quarantine' || kind === '.gitignore') continue;
      if (kind === 'objects' && !this.needed.has(path.split('/').at(-1) ?? '')) continue; // of an earlier reader
      kinds.set(kind, [...(kinds.get(kind) ?? []), path]);
    }
    // Objects are most of what is read.
    const names = [...kinds.keys(), 'objects', 'objects', 'actions'];
    const kind = names[random.below(names.length)] ?? 'objects';
    const path = kinds.get(kind)?.[random.below(kinds.get(kind)?.length ?? 1)] ?? '';
    const name = path.slice(home.length + 1);
    const how = damage(path, random);
    let { events, faults } = await this.run();
    if (kind === 'objects' && !isFound(events)) ({ events, faults } = await this.useAll());
    const after = await this.faultsAfter(kind, path);
    const found = isFound(events);
    if (kind === 'objects' && !found) faults.push('nobody has noticed');
    const told = [...faults, ...after].map((fault) => `${how} ${name}: ${fault}`);
    return { kind, how, end: found ? 'found' : 'harmless', faults: told };
  }

  /** An object that nobody had to read is needed now: what was delivered of it is gone. The run after that makes it again. */
  private async useAll(): ReturnType<FlipWorld['run']> {
    const { out } = openStore(this.engine.root).layout;
    rmSync(out, { recursive: true, force: true });
    await this.run();
    const wrong = filesBelow(out).filter(
      (path) => !existsSync(join(this.engine.root, '.headgate/objects', shard(path))),
    );
    const { events, faults } = await this.run();
    return { events, faults: [...faults, ...wrong.map((path) => `${path} was delivered with damage`)] };
  }

  /** All readers read; then what a person takes away is delivered, as the command line does. */
  private async run(): Promise<{ readonly events: readonly RunEvent[]; readonly faults: string[] }> {
    const planned = planOf(++this.salt);
    const store = openStore(this.engine.root);
    const { outcome, events } = await this.engine.run(planned, { executor: pureJobs().executor, store });
    const report = foldRun(events);
    const stages = report?.stages ?? [];
    await deliverOutputs(store, planned, {
      outputs: new Map(stages.map(({ id, outputs }) => [id, outputs])),
      states: new Map(stages.map(({ id, state }) => [id, state])),
      whole: true,
    });
    await store.stats.save();
    const faults = outcome.exitCode === 0 ? [] : [`the run ended with exit code ${outcome.exitCode}`];
    for (const [id, ports] of truth(this.salt)) {
      const outputs = report?.stages.find((one) => String(one.id) === id)?.outputs ?? {};
      for (const [port, content] of Object.entries(ports)) {
        const told = outputs[port]?.digest ?? 'nothing';
        const tree = typeof content !== 'string';
        if (!id.startsWith('read-'))
          for (const digest of objectsOf(this.engine.root, told, tree)) this.needed.add(digest);
        const read = contentInStore(this.engine.root, told, tree);
        if (read === undefined || seen(read) !== seen(content)) faults.push(`${id}.${port} is ${told}, which is wrong`);
      }
    }
    return { events, faults };
  }

  private async faultsAfter(kind: string, path: string): Promise<readonly string[]> {
    // Nobody may stumble over it later.
    await journalsOf(this.engine.root);
    if (kind !== 'objects' && kind !== 'trees') return [];
    const name = path.split('/').at(-1) ?? '';
    if (kind === 'objects') {
      return existsSync(path) && (await digestFile(path)) !== name ? ['the damaged object is still in its place'] : [];
    }
    return existsSync(path) && !/^(data|prepare|measure|tune) folder \d+ \d$/.test(readFileSync(path, 'utf8'))
      ? ['the damaged tree is still in its place']
      : [];
  }
}

function isFound(events: readonly RunEvent[]): boolean {
  const made = ofType(events, 'stage-started').some(({ stage: id }) => !/^(read-|judge)/.test(id));
  return made || ofType(events, 'object-quarantined').length > 0;
}

/** Where the object of a file with these bytes is. */
function shard(path: string): string {
  const digest = sha256(readFileSync(path, 'utf8'));
  return join(digest.slice(0, 2), digest);
}

function objectsOf(root: string, digest: string, tree: boolean): readonly string[] {
  if (!tree) return [digest];
  const text = contentInStore(root, digest, false);
  const entries = typeof text === 'string' ? (JSON.parse(text) as [string, number, { digest: string }[]])[2] : [];
  return [digest, ...entries.map((entry) => entry.digest)];
}

function contentInStore(root: string, digest: string, tree: boolean): Content | undefined {
  const path = join(root, '.headgate/objects', digest.slice(0, 2), digest);
  if (!existsSync(path)) return undefined;
  const text = readFileSync(path, 'utf8');
  if (!tree) return text;
  const [, , entries] = JSON.parse(text) as [string, number, readonly { path: string; digest: string }[]];
  const files = entries.map((entry) => [entry.path, contentInStore(root, entry.digest, false)]);
  return Object.fromEntries(files) as Content;
}

/** @returns what was done. Of the flips every other leaves size and times as they were. */
function damage(path: string, random: Random): string {
  const way = random.below(4);
  if (way === 3) {
    rmSync(path);
    return 'deleted';
  }
  const { size } = statSync(path);
  chmodSync(path, 0o644);
  if (way === 2 || size === 0) {
    truncateSync(path, random.below(size + 1) >> 1);
    return 'cut';
  }
  const bytes = readFileSync(path);
  const at = random.below(size);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  writeFileSync(path, bytes);
  if (way === 1) return 'flipped';
  utimesSync(path, STAMP_S, STAMP_S);
  return 'flipped unseen';
}
