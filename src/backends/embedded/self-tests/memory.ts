// Self-test of the training loop's memory: what the process holds stands still over a thousand steps of QAT. Garbage is
// collected before each look, so that what grows is held by something.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fails, holds, NOTHING_QUANTISED } from './self-test.ts';
import type { Finding, SelfTest } from './self-test.ts';
import { startStillTraining } from './still-training.ts';

const [STEPS, LOOK_EVERY] = [1000, 10];
/** Until then pools and compiled code grow. */
const SETTLED_AFTER = 200;
/** A small network's process was seen to grow by at most 3 MiB after that; 1 MiB is 2 ** 20 bytes. */
const [GROWTH_MIB, GROWTH_SHARE] = [8, 0.02];

export const memory: SelfTest = async (subject) => {
  const training = await startStillTraining(subject);
  if (training === undefined) return fails(NOTHING_QUANTISED);
  const collectGarbage = garbageCollector();
  const resident: number[] = [];
  for (let step = 1; step <= STEPS; step++) {
    await training.step(subject.images);
    if (step % LOOK_EVERY !== 0) continue;
    collectGarbage();
    resident.push(process.memoryUsage.rss() / 2 ** 20);
  }
  await training.release();
  return judgeMemory(resident);
};

/** @param resident MiB after every tenth step of a thousand. */
export function judgeMemory(resident: readonly number[]): Finding {
  const settled = resident[SETTLED_AFTER / LOOK_EVERY - 1] ?? 0;
  const last = resident.at(-1) ?? 0;
  const limit = Math.max(GROWTH_MIB, GROWTH_SHARE * settled);
  const words = `${settled.toFixed(1)} MiB after ${SETTLED_AFTER} steps of QAT, ${last.toFixed(1)} MiB after ${STEPS}`;
  return last - settled <= limit ? holds(words) : fails(`memory grows: ${words}; ${limit.toFixed(1)} MiB more may be`);
}

/** Node shows it only where it was started with a flag; the worker was not. */
function garbageCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
