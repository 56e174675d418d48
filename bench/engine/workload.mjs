// The workload that headgate and its peers all get: N stages, each of which derives one small file with a shell's built-ins
// (or runs `true`), from the file of the stage before it (chain), or all from the first one's (fan-out).
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * @typedef {{name: string, needs: string | null, reads: string, writes: string | null, shell: string}} Stage
 * Paths are relative to the workload's folder; `needs` is the stage that writes what this one reads.
 */

/**
 * @param {{stages: number, shape: 'chain' | 'fan', work?: 'derive' | 'true', source?: string}} options
 * @returns {readonly Stage[]}
 */
export function makeStages({ stages, shape, work = 'derive', source = 'source.txt' }) {
  return Array.from({ length: stages }, (_, index) => {
    const before = index === 0 ? null : shape === 'chain' ? index - 1 : 0;
    const name = stageName(index);
    const reads = before === null || work === 'true' ? source : `out/${stageName(before)}.txt`;
    const writes = work === 'true' ? null : `out/${name}.txt`;
    return {
      name,
      needs: before === null ? null : stageName(before),
      reads,
      writes,
      shell: work === 'true' ? 'true' : deriving(name, reads, writes),
    };
  });
}

/** The file keeps the source's first word, so that an edit of the source reaches every stage, and never grows. */
export function deriving(name, reads, writes) {
  return `read first rest < ${reads}; echo "$first ${name}" > ${writes}`;
}

/** A new folder with the source file and a place for what stages write. */
export function emptyFolder(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'out'), { recursive: true });
  writeFileSync(join(folder, 'source.txt'), 'seed of the workload\n');
}

export function writeFiles(folder, files) {
  for (const [path, content] of Object.entries(files)) {
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, typeof content === 'string' ? content : `${JSON.stringify(content, null, 1)}\n`);
  }
}

function stageName(index) {
  return `s${index}`;
}
