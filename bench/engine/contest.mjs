// Headgate and its peers on the same workload: prepared one by one, then measured in turns (A B C A B C …), so that a slow
// spell of the machine falls on all of them.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { measureSuccess, TooSlow } from './measure.mjs';
import { installedPeers } from './peers.mjs';
import { summarise } from './stats.mjs';
import { headgate } from './tools/headgate.mjs';
import { emptyFolder } from './workload.mjs';

/** @returns the tools that take part, headgate first, and words about those that do not. */
export function contestants({ wants }) {
  const { found, missing } = installedPeers(undefined, wants);
  return {
    tools: [{ ...headgate, place: {} }, ...found].filter(({ name }) => wants(name)),
    missing: found.length > 0 || wants('peers') ? missing : [],
    versions: Object.fromEntries(found.map(({ name, found: version }) => [name, version])),
  };
}

/** One tool with one workload in its own folder. */
export class Contestant {
  constructor(tool, scratch, stages) {
    this.tool = tool;
    this.name = tool.name;
    this.stages = stages;
    this.folder = join(scratch, tool.name.replace(/\W+/g, '-'), 'workload');
    this.runs = [];
    this.trouble = undefined;
  }

  /** A new folder with the workload in the tool's own language. */
  write(fill = () => {}) {
    emptyFolder(this.folder);
    fill(this.folder);
    this.tool.write(this.folder, this.stages, this.tool.place);
  }

  /** A run of everything that is not up to date. */
  run({ jobs, limitMs } = {}) {
    const { tool, folder } = this;
    const env = { ...tool.env, ...(jobs === undefined ? {} : tool.jobsEnv?.(jobs)) };
    return measureSuccess(tool.argv({ ...tool.place, jobs }), { cwd: folder, env, limitMs });
  }

  /** Everything made and recorded, so that the next run has nothing to do. */
  async settle(limitMs) {
    const { tool, folder, stages } = this;
    if (tool.shortcut === undefined) return this.run({ jobs: 2, limitMs });
    const argv = tool.shortcut({ ...tool.place, stages });
    return measureSuccess(argv, { cwd: folder, env: tool.env, limitMs });
  }

  async attempt(act) {
    if (this.trouble !== undefined) return undefined;
    try {
      return await act();
    } catch (cause) {
      this.trouble = cause instanceof TooSlow ? cause.message : firstWords(cause.message);
      return undefined;
    }
  }

  get summary() {
    return summarise(this.runs.map(({ ms }) => ms));
  }

  get rss() {
    return this.runs.length === 0 ? undefined : Math.max(...this.runs.map(({ rss }) => rss));
  }

  stop() {
    try {
      this.tool.stop?.({ ...this.tool.place, folder: this.folder });
    } catch {
      // It may have ended by itself.
    }
  }
}

/** Those that take long are measured less often: their spread is small beside what separates them from the others. */
export const SLOW = { overMs: 5000, repeat: 3 };

export async function inTurns(contestants, repeat, act, slow = SLOW) {
  for (let round = 0; round < repeat; round++) {
    for (const contestant of contestants) {
      if (round >= slow.repeat && contestant.summary.median > slow.overMs) continue;
      const run = await contestant.attempt(() => act(contestant));
      if (run !== undefined) contestant.runs.push(run);
    }
  }
}

/** A reason to doubt that the run before had nothing to do, given when the last output had been written before it. */
export function doubt(contestant, before) {
  const idle = contestant.tool.isIdle?.(contestant.folder) ?? lastWrite(contestant) === before;
  return idle ? undefined : 'ran stages again';
}

/** When the last stage's output was written: a no-op must leave it alone. */
export function lastWrite({ folder, stages }) {
  const { name } = stages.at(-1);
  for (const path of [`out/${name}.txt`, `packages/${name}/out.txt`]) {
    try {
      return statSync(join(folder, path)).mtimeMs;
    } catch {
      // The other layout, or a store.
    }
  }
  return undefined;
}

function firstWords(message) {
  const lines = message.split('\n').map((line) => line.trim());
  const telling = lines.find((line) => /error|exceed|too (?:long|many|big)/i.test(line) && !/^\s*at /.test(line));
  return (telling ?? lines[0] ?? message).slice(0, 160);
}
