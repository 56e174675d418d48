// Four engines on one store, some killed: each key is computed once, and all end well with what one undisturbed engine gives. The short form; `node
// test/campaign/campaign.mjs concurrency` plays sixty rounds.
import { expect, test } from 'vitest';
import { Installation } from '../e2e/installation.ts';
import { sizeOf, tell, timeoutMs } from './campaign-size.ts';
import { concurrencyRound, ENGINES } from './concurrency-round.ts';
import { undisturbed } from './crash-campaign.ts';
import { keepResults } from './results.ts';

const seed = sizeOf('seed', 4);
const rounds = sizeOf('rounds', 2);
const only = sizeOf('world', 0);

test(
  `${ENGINES} engines on one store, some killed, compute each key once and end with everything (${rounds} rounds, seed ${seed})`,
  async () => {
    const began = performance.now();
    const installation = await Installation.build();
    let [kills, keys, computed, played] = [0, 0, 0, 0];
    const [faults, doubles]: [string[], string[]] = [[], []];
    try {
      const known = await undisturbed(installation);
      for (let round = only || 1; round <= (only || rounds); round++) {
        const outcome = await concurrencyRound(installation, { seed, round, ...known });
        played++;
        kills += outcome.kills;
        keys += outcome.keys;
        computed += outcome.computed;
        faults.push(...outcome.faults);
        doubles.push(...outcome.doubles);
        tell(
          `round ${round}: ${outcome.kills} kills, ${outcome.computed} jobs for ${outcome.keys} keys, ${outcome.faults.length} faults`,
        );
      }
    } finally {
      await installation.remove();
    }
    const seconds = (performance.now() - began) / 1000;
    keepResults('concurrency', {
      seed,
      rounds: played,
      engines: ENGINES,
      kills,
      seconds,
      keys,
      computed,
      doubles: doubles.length,
      faults,
    });
    expect(faults).toEqual([]);
    expect(doubles).toEqual([]);
  },
  timeoutMs,
);
