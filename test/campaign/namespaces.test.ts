// Engines in two containers on one store, of the same host name or not: one works, the other collects, verifies, runs, resumes,
// and takes over from one that was killed. The short form, a round of each; `node test/campaign/campaign.mjs namespaces` plays 120.
import { expect, test } from 'vitest';
import { Installation } from '../e2e/installation.ts';
import { sizeOf, tell, timeoutMs } from './campaign-size.ts';
import { MEETINGS, metUndisturbed, namespacesRound } from './namespaces-round.ts';
import { keepResults } from './results.ts';
import { isolation } from './two-places.ts';

const seed = sizeOf('seed', 6);
const rounds = sizeOf('rounds', MEETINGS.length);
const only = sizeOf('world', 0);

// A skip, where nobody may make namespaces (unshare): nothing here can look like another container then.
test.skipIf(isolation === undefined)(
  `what an engine in one container uses, engines in others leave alone (${rounds} rounds, seed ${seed})`,
  async () => {
    const began = performance.now();
    const installation = await Installation.build();
    const meetings: { [meeting: string]: { [how: string]: number } } = {};
    const faults: string[] = [];
    let [played, commands, kills] = [0, 0, 0];
    try {
      const expected = await metUndisturbed(installation);
      for (let round = only || 1; round <= (only || rounds); round++) {
        const outcome = await namespacesRound(installation, { seed, round, expected });
        const how = outcome.sameName ? 'same host name' : 'another host name';
        const row = (meetings[outcome.meeting] ??= {});
        row[how] = (row[how] ?? 0) + 1;
        played++;
        commands += outcome.commands;
        kills += outcome.kills;
        faults.push(...outcome.faults);
        tell(
          `round ${round}: ${outcome.meeting}, ${how}, ${outcome.commands} commands, ${outcome.faults.length} faults`,
        );
      }
    } finally {
      await installation.remove();
    }
    const seconds = (performance.now() - began) / 1000;
    keepResults('namespaces', { seed, rounds: played, commands, kills, seconds, meetings, faults });
    expect(faults).toEqual([]);
  },
  timeoutMs,
);
