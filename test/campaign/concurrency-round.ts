// Several engines on one store at once, started a little apart, some of them killed and started again. Together they do the
// work of one, and each of them ends with all of it.
import { rmSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { Random } from '../../src/support/random.ts';
import type { Installation } from '../e2e/installation.ts';
import { journalsOf, faultsOf, type EndState } from './end-state.ts';
import { makeMixedProject } from './mixed-project.ts';
import { runSession, type Session } from './sessions.ts';
import { drawShot, type Extent } from './shots.ts';

export const ENGINES = 4;

export interface RoundOutcome {
  readonly kills: number;
  readonly keys: number;
  /** Jobs that ended well. */
  readonly computed: number;
  readonly faults: readonly string[];
  /** Keys that more than one engine computed. */
  readonly doubles: readonly string[];
}

export async function concurrencyRound(
  installation: Installation,
  { seed, round, extent, expected }: { seed: number; round: number; extent: Extent; expected: EndState },
): Promise<RoundOutcome> {
  const root = await makeMixedProject();
  const sessions = await Promise.all(
    Array.from({ length: ENGINES }, async (_, engine): Promise<readonly Session[]> => {
      const random = Random.derive(seed, round, engine);
      await wait(random.below(400));
      const lives: Session[] = [];
      // The first engine is never killed: somebody is always there to wait for.
      let kills = engine === 0 ? 0 : random.below(3);
      for (;;) {
        const shot = kills-- > 0 ? drawShot(random, extent, ['engine', 'engine and jobs']) : undefined;
        const life = await runSession(
          installation,
          root,
          { command: 'run', ...(shot === undefined ? {} : { shot }) },
          random,
        );
        lives.push(life);
        if (life.exitCode !== null) return lives;
      }
    }),
  );
  const kills = sessions.flat().filter(({ hit }) => hit !== undefined).length;
  const ends = sessions.flatMap((lives) => lives.at(-1) ?? []);
  const faults = ends
    .filter(({ exitCode }) => exitCode !== 0)
    .map(
      ({ exitCode, stdout, stderr }) => `an engine ended with ${exitCode}: ${stdout.slice(-500)} ${stderr.slice(-500)}`,
    );
  for (const { events } of ends) faults.push(...(await faultsOf(root, events[0]?.run, expected)));
  const computed = await computedKeys(root);
  const doubles: string[] = [];
  for (const [key, { stage, times }] of computed)
    if (times > 1) doubles.push(`${stage} was computed ${times} times (${key}) with ${kills} kills`);
  if (faults.length === 0) rmSync(root, { recursive: true, force: true });
  const told = (texts: readonly string[]): readonly string[] =>
    [...new Set(texts)].map((text) => `seed ${seed} round ${round}: ${text}`);
  const times = [...computed.values()].reduce((sum, one) => sum + one.times, 0);
  return {
    kills,
    keys: computed.size,
    computed: times,
    faults: told(faults),
    doubles: told(doubles),
  };
}

/** Jobs that ended well, by key. A job whose engine was killed before it could say so is one that was lost. */
async function computedKeys(root: string): Promise<ReadonlyMap<string, { stage: string; times: number }>> {
  const computed = new Map<string, { stage: string; times: number }>();
  const engineStages = new Set(['pick', 'joined', 'enough', 'head']);
  for (const event of (await journalsOf(root)).flat()) {
    if (event.type !== 'stage-succeeded' || engineStages.has(event.stage.replace(/\[.*/, ''))) continue;
    const known = computed.get(event.key)?.times ?? 0;
    computed.set(event.key, { stage: event.stage, times: known + 1 });
  }
  return computed;
}
