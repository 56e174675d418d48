// Loaded before a program: writes the process's own peak of resident memory (kilobytes) and its
// processor time (microseconds) where HOSTILE_PEAK says.
import { writeFileSync } from 'node:fs';

const path = process.env.HOSTILE_PEAK;
// Jobs of the program are other programs.
delete process.env.HOSTILE_PEAK;
process.on('exit', () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  writeFileSync(path, `${maxRSS} ${userCPUTime + systemCPUTime}`);
});
