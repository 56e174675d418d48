// Who gets the tokens, and that nobody waits for ever.
import { describe, expect, test } from 'vitest';
import { ResourcePool, TokenSupply, type Hold, type Tokens } from '../../src/execute/resources.ts';

const poolOf = (totals: Tokens): ResourcePool => new ResourcePool(new TokenSupply(totals));

/** Asks, and says who has been served so far. */
function queue(pool: ResourcePool) {
  const served: string[] = [];
  const holds = new Map<string, Hold>();
  return {
    served,
    ask: (name: string, needs: { readonly [token: string]: number }, order: number): void => {
      const hold = pool.hold(needs, order);
      holds.set(name, hold);
      void hold.take().then((taken) => served.push(taken ? name : `${name} sent away`));
    },
    giveBack: (name: string): void => holds.get(name)?.giveBack(),
    settled: () => new Promise((resolve) => setImmediate(resolve)),
  };
}

describe('tokens', () => {
  test('go to the first in the plan; one that fits may pass one that does not', async () => {
    const { served, ask, settled } = queue(poolOf({ cpu: 2 }));
    ask('a', { cpu: 1 }, 1);
    ask('wide', { cpu: 2 }, 2);
    ask('c', { cpu: 1 }, 3);
    await settled();
    expect(served).toEqual(['a', 'c']);
  });

  test('are kept for one that was passed often enough: nobody waits for ever', async () => {
    const { served, ask, giveBack, settled } = queue(poolOf({ cpu: 2 }));
    ask('small 0', { cpu: 1 }, 0);
    ask('wide', { cpu: 2 }, 1);
    for (let n = 1; n <= 200; n++) {
      ask(`small ${n}`, { cpu: 1 }, n + 1);
      await settled();
      giveBack(`small ${n - 1}`); // there was always one at work, and another asked before it ended
      await settled();
    }
    expect(served.indexOf('wide')).toBeGreaterThan(0);
    expect(served.indexOf('wide')).toBeLessThan(40);
  });

  test('beyond what there is are cut, and that can be told', async () => {
    const pool = poolOf({ cpu: 4, gpu: 2 });
    expect(pool.beyond({ cpu: 1, gpu: 4, licence: 2 })).toEqual({ gpu: 2, licence: 1 });
    const { served, ask, settled } = queue(pool);
    ask('greedy', { gpu: 4 }, 0);
    await settled();
    expect(served).toEqual(['greedy']);
  });

  test('are refused to newcomers once nothing new starts, and still given to one that is tried again', async () => {
    const pool = poolOf({ cpu: 1 });
    const again = pool.hold({ cpu: 1 }, 0);
    expect(await again.take()).toBe(true);
    const { served, ask, settled } = queue(pool);
    ask('new', { cpu: 1 }, 1);
    again.giveBack();
    await settled();
    expect(served).toEqual(['new']);
    const back = again.take();
    pool.refuse('new');
    ask('late', { cpu: 1 }, 2);
    await settled();
    expect(served).toEqual(['new', 'late sent away']);
    pool.refuse('all');
    expect(await back).toBe(false);
  });
});
