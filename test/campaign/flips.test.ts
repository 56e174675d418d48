// Figure 6 of the engine: every single damage in a store is found before anything uses what was damaged. The short form;
// `node test/campaign/campaign.mjs flips` does a thousand.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadResumeState, saveResumeState } from '../../src/backends/embedded/resume-state.ts';
import { Random } from '../../src/support/random.ts';
import { sizeOf, tell, timeoutMs } from './campaign-size.ts';
import { FlipWorld, type Round } from './flip-world.ts';
import { keepResults } from './results.ts';

const seed = sizeOf('seed', 6);
const damages = sizeOf('damages', 60);
const onlyWorld = sizeOf('world', 0);
/** A store grows with every run; a new one now and then keeps rounds short. */
const PER_WORLD = 30;

test(
  `${damages} single damages in a store (seed ${seed}) are found before use, or change nothing`,
  async () => {
    const began = performance.now();
    const rounds: Round[] = [];
    const worlds = Math.ceil(damages / PER_WORLD);
    for (let world = onlyWorld || 1; world <= (onlyWorld || worlds); world++) {
      const random = Random.derive(seed, world);
      const flips = await FlipWorld.make();
      for (let count = 0; count < PER_WORLD && rounds.length < damages; count++) {
        const round = await flips.round(random);
        rounds.push(round);
        for (const fault of round.faults) process.stderr.write(`seed ${seed} world ${world}: ${fault}\n`);
        if (round.faults.length > 0) break; // what was believed once stays in the store
      }
      await flips.remove();
      tell(`world ${world}: ${rounds.length} damages`);
    }
    const kinds: { [kind: string]: { [end: string]: number } } = {};
    for (const { kind, end } of rounds) {
      const row = (kinds[kind] ??= { found: 0, harmless: 0 });
      row[end] = (row[end] ?? 0) + 1;
    }
    const faults = rounds.flatMap((round) => round.faults);
    const seconds = (performance.now() - began) / 1000;
    keepResults('flips', { seed, damages: rounds.length, seconds, kinds, faults });
    expect(faults).toEqual([]);
    expect(kinds['objects']?.['found']).toBeGreaterThan(0);
  },
  timeoutMs,
);

test('a flipped bit or a cut in a training’s resume state is found, wherever it is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'headgate-resume-'));
  const random = new Random(seed);
  const vector = () => Float32Array.from({ length: 5 }, () => random.uniform());
  const trainer = {
    step: 3,
    parameters: vector(),
    first: vector(),
    second: vector(),
    statistics: vector(),
    ranges: vector(),
    averages: vector(),
  };
  const { first: _first, second: _second, step: _step, ...kept } = trainer;
  const history = { start: 1, recent: [0.7, 0.6], validations: [{ epoch: 0, value: 0.1 }] };
  const watch = { history, best: { ...kept, recent: [0.9] } };
  const state = { trainer, lossSums: { focal: 0.5 }, epochs: [{ focal: 0.7 }], watch };
  try {
    await saveResumeState(folder, state);
    const path = join(folder, 'state.safetensors');
    const bytes = await readFile(path);
    for (let bit = 0; bit < bytes.length * 8; bit += 1 + random.below(24)) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      await writeFile(path, flipped);
      // Padding is no part of the state.
      const loaded = await loadResumeState(folder, trainer);
      if (loaded !== undefined) expect(loaded).toEqual(state);
    }
    for (let length = 0; length < bytes.length; length += 5) {
      await writeFile(path, bytes.subarray(0, length));
      expect(await loadResumeState(folder, trainer)).toBeUndefined();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});
