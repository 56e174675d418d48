// Loaded into the engine's process by figure 11: notes every time its main loop did not come round, with when, and what
// node:perf_hooks makes of the whole process.
import { writeFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const target = process.env.HEADGATE_BENCH_LOOP;
// The jobs' own processes are meant to be busy.
delete process.env.HEADGATE_BENCH_LOOP;
if (target !== undefined) {
  const EVERY_MS = 5;
  const histogram = monitorEventLoopDelay({ resolution: EVERY_MS });
  histogram.enable();
  const stalls = [];
  let turns = 0;
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    turns++;
    if (now - last > 4 * EVERY_MS) stalls.push({ from: performance.timeOrigin + last, ms: now - last });
    last = now;
  }, EVERY_MS).unref();
  process.on('exit', () => {
    writeFileSync(target, JSON.stringify({ turns, stalls, wholeProcessMaxMs: histogram.max / 1e6 }));
  });
}
