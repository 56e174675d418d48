// Loaded into the engine's process by figure 3: writes how many bytes it has read, by the kernel's count, when it ends.
import { readFileSync, writeFileSync } from 'node:fs';

// The engine hands its environment on to no one else here, but a job's Node process must not overwrite the number.
const target = process.env.HEADGATE_BENCH_COUNT;
delete process.env.HEADGATE_BENCH_COUNT;
if (target !== undefined) {
  process.on('exit', () => {
    const [, bytes] = /^rchar: (\d+)/m.exec(readFileSync('/proc/self/io', 'utf8')) ?? [];
    writeFileSync(target, String(bytes));
  });
}
