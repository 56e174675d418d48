// Many projects, many kills: the numbers of figure 5.
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../../src/support/random.ts';
import { Installation } from '../e2e/installation.ts';
import { crashWorld, type WorldOutcome } from './crash-world.ts';
import { endStateOf, type EndState } from './end-state.ts';
import { makeMixedProject } from './mixed-project.ts';
import { runSession } from './sessions.ts';
import type { Extent } from './shots.ts';

export interface CrashResults {
  readonly seed: number;
  readonly kills: number;
  readonly worlds: number;
  readonly commands: number;
  readonly seconds: number;
  /** Attempts of stages' jobs: all, those that ended well, and those that went on from a saved state. */
  readonly attempts: { readonly started: number; readonly succeeded: number; readonly continued: number };
  /** Trouble → projects. */
  readonly troubles: { readonly [trouble: string]: number };
  /** Phase → target → kills. */
  readonly hits: { readonly [phase: string]: { readonly [target: string]: number } };
  readonly faults: readonly string[];
}

export interface CrashOptions {
  readonly seed: number;
  readonly kills: number;
  /** Only this project, to see a fault again. */
  readonly world?: number;
  readonly onWorld?: (outcome: WorldOutcome, soFar: CrashResults) => void;
}

/** Two projects at once: there is always work for both cores, and one disturbs the other's timing. */
const AT_ONCE = 2;

export async function crashCampaign({ seed, kills, world, onWorld }: CrashOptions): Promise<CrashResults> {
  const began = performance.now();
  const installation = await Installation.build();
  try {
    const { extent, expected } = await undisturbed(installation);
    const outcomes: WorldOutcome[] = [];
    const soFar = (): CrashResults => summary(seed, outcomes, (performance.now() - began) / 1000);
    const killed = (): number => outcomes.reduce((sum, { hits }) => sum + hits.length, 0);
    let next = world ?? 1;
    const one = async (): Promise<void> => {
      const outcome = await crashWorld(installation, { seed, world: next++, extent, expected });
      outcomes.push(outcome);
      onWorld?.(outcome, soFar());
    };
    const worker = async (): Promise<void> => {
      while (killed() < kills) await one();
    };
    if (world !== undefined) await one();
    else await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return soFar();
  } finally {
    await installation.remove();
  }
}

export async function undisturbed(installation: Installation): Promise<{ extent: Extent; expected: EndState }> {
  const root = await makeMixedProject();
  const note = join(root, 'count');
  const began = performance.now();
  const preload = { role: 'engine', count: true, note };
  const session = await runSession(installation, root, { command: 'run', preload }, new Random(0));
  if (session.exitCode !== 0) throw new Error(`the undisturbed run failed: ${session.stdout}${session.stderr}`);
  const milliseconds = performance.now() - began;
  const extent = { writes: Number(readFileSync(note, 'utf8')), events: session.events.length, milliseconds };
  const expected = await endStateOf(root, session.events[0]?.run);
  rmSync(root, { recursive: true });
  return { extent, expected };
}

function summary(seed: number, outcomes: readonly WorldOutcome[], seconds: number): CrashResults {
  const hits: { [phase: string]: { [target: string]: number } } = {};
  const troubles: { [trouble: string]: number } = {};
  const attempts = { started: 0, succeeded: 0, continued: 0 };
  for (const outcome of outcomes) {
    troubles[outcome.trouble] = (troubles[outcome.trouble] ?? 0) + 1;
    for (const name of ['started', 'succeeded', 'continued'] as const) attempts[name] += outcome.attempts[name];
    for (const { phase, target } of outcome.hits) {
      const row = (hits[phase] ??= {});
      row[target] = (row[target] ?? 0) + 1;
    }
  }
  return {
    seed,
    kills: outcomes.reduce((sum, outcome) => sum + outcome.hits.length, 0),
    worlds: outcomes.length,
    commands: outcomes.reduce((sum, { sessions }) => sum + sessions, 0),
    seconds,
    attempts,
    troubles,
    hits,
    faults: outcomes.flatMap(({ world, faults }) =>
      faults.map((fault) => `seed ${seed} world ${world}: ${withoutPlaces(fault)}`),
    ),
  };
}

/** What is kept travels with the project: paths of the machine say nothing elsewhere. */
function withoutPlaces(text: string): string {
  return text.replaceAll(process.cwd(), '.').replaceAll(tmpdir(), '<tmp>');
}
