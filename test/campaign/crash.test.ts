// Figure 5 of the engine: SIGKILL at random moments, of the engine, of jobs and of their children, with torn files, jumping
// clocks and full disks. The short form; `node test/campaign/campaign.mjs crash` runs a thousand kills.
import { expect, test } from 'vitest';
import { sizeOf, tell, timeoutMs } from './campaign-size.ts';
import { crashCampaign } from './crash-campaign.ts';
import { keepResults } from './results.ts';

const seed = sizeOf('seed', 20261122);
const kills = sizeOf('kills', 50);
const world = sizeOf('world', 0);

test(
  `${kills} kills at random moments (seed ${seed}) leave nothing that the same command does not put right`,
  async () => {
    const results = await crashCampaign({
      seed,
      kills,
      ...(world === 0 ? {} : { world }),
      onWorld: (outcome, soFar) => {
        keepResults('crash', soFar); // hours of work, should it be interrupted
        tell(
          `world ${outcome.world}: ${outcome.trouble}, ${outcome.hits.length} kills, ${outcome.faults.length} faults`,
        );
        if (outcome.faults.length > 0) process.stderr.write(`${[...outcome.history, ...outcome.faults].join('\n')}\n`);
      },
    });
    keepResults('crash', results);
    expect(results.faults).toEqual([]);
    if (world === 0) expect(results.kills).toBeGreaterThanOrEqual(kills);
  },
  timeoutMs,
);
