// Whatever moves in a frozen scope is caught by headgate's own proofs and named, and nothing is alleged that did not move. The
// short form; `node test/campaign/campaign.mjs freeze` does two hundred.
import { expect, test } from 'vitest';
import { Random } from '../../src/support/random.ts';
import type { ScopeForward } from '../../src/qat/network/reference.ts';
import type { Profile } from '../../src/qat/quantize/scheme.ts';
import { w4a4, w8a16, w8a8 } from '../qat/networks.ts';
import { sizeOf, tell, timeoutMs } from './campaign-size.ts';
import { mutations } from './freeze-mutations.ts';
import type { Outcome } from './freeze-mutations.ts';
import { FreezeWorld } from './freeze-world.ts';
import { keepResults } from './results.ts';

const seed = sizeOf('seed', 8);
const kinds = Object.keys(mutations);
const total = sizeOf('mutations', kinds.length);
const clean = sizeOf('clean', 5);
const profiles: { readonly [name: string]: Profile } = { w8a8, w8a16, w4a4 };

test(
  `${total} mutations of ${kinds.length} kinds (seed ${seed}) are caught and named, ${clean} clean runs raise nothing`,
  async () => {
    const began = performance.now();
    const faults: string[] = [];
    const caught: { [kind: string]: number } = {};
    const names = Object.keys(profiles);
    const worlds = await Promise.all(names.map((name) => FreezeWorld.start(profiles[name] as Profile)));
    const worldOf = (index: number) => worlds[index % worlds.length] as FreezeWorld;
    for (let index = 0; index < total; index++) {
      const kind = kinds[index % kinds.length] as string;
      const random = Random.derive(seed, index);
      const outcome = await mutations[kind]?.(worldOf(random.below(worlds.length)), random);
      const fault = faultOf(outcome as Outcome);
      if (fault === undefined) caught[kind] = (caught[kind] ?? 0) + 1;
      else faults.push(`mutation ${index} (${kind}): ${fault}`);
      if (index % 50 === 49) tell(`${index + 1} mutations`);
    }
    for (let run = 0; run < clean; run++) {
      const alarm = await cleanRun(worldOf(run), run);
      if (alarm !== undefined) faults.push(`clean run ${run}: ${alarm}`);
    }
    await Promise.all(worlds.map((world) => world.remove()));
    const seconds = (performance.now() - began) / 1000;
    keepResults('freeze', { seed, mutations: total, clean, seconds, caught, faults });
    expect(faults).toEqual([]);
    expect(Object.values(caught).reduce((sum, count) => sum + count, 0)).toBe(total);
  },
  timeoutMs,
);

/** Undefined where the failure names what moved and nothing else. */
function faultOf({ failure, expected, complete }: Outcome): string | undefined {
  if (expected.size === 0) return 'nothing was mutated';
  if (failure === undefined) return `not caught (${[...expected].join(', ')})`;
  const details = failure.details as readonly { readonly tensor: string }[];
  const named = new Set(details.map(({ tensor }) => tensor));
  const [first = ''] = named;
  if (failure.reason !== 'freeze-violated' || !failure.message.includes(first)) return failure.message;
  const invented = [...named].filter((name) => !expected.has(name));
  const unnamed = complete ? [...expected].filter((name) => !named.has(name)) : [];
  if (invented.length + unnamed.length === 0) return undefined;
  return `named ${invented.join(', ') || 'nothing wrongly'}, did not name ${unnamed.join(', ') || 'nothing'}`;
}

/** A backbone held, a head held while the backbone trains, a merge: each as it should be. */
async function cleanRun(world: FreezeWorld, run: number): Promise<string | undefined> {
  const right: ScopeForward = { state: 'VALIDATION', checkpoint: world.backbone };
  await world.trainOnFrozenHead(100 * run);
  const alarms = [await world.proveBackbone(right), await world.proveHead(), await world.proveMerge(world.forwards())];
  return alarms.find((alarm) => alarm !== undefined)?.message;
}
