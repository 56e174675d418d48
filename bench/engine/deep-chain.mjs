// Figure 2: a very deep chain plans and runs, and what a stage costs does not grow with the depth.
//
//   node bench/engine/deep-chain.mjs [--stages 1000] [--deep 10000] [--repeat 3] [--save]
import { join } from 'node:path';
import { isMain, runAlone } from './figure.mjs';
import { measureSuccess } from './measure.mjs';
import { median, mebibytes, seconds } from './stats.mjs';
import { eventsOfNewestRun, gateWorkflow, headgate, headgateArgv } from './tools/headgate.mjs';
import { emptyFolder, makeStages, writeFiles } from './workload.mjs';

const WORK = {
  gates: 'gate stages, one after the other (engine only)',
  commands: 'command stages running `true`',
};

export const deepChain = {
  key: 'deep-chain',
  number: 2,
  title: 'A chain 10,000 deep',
  target: 'it plans and runs; cost per stage at 10,000 at most 1.2 times that at 1,000.',
  options: {
    stages: { type: 'string', default: '1000' },
    deep: { type: 'string', default: '10000' },
    repeat: { type: 'string', default: '3' },
  },
  async measure({ options, scratch, say }) {
    const rows = [];
    for (const work of Object.keys(WORK)) {
      const shallow = await measureChain({ scratch, say, work, stages: +options.stages, repeat: +options.repeat });
      const deep = await measureChain({ scratch, say, work, stages: +options.deep, repeat: 1 });
      for (const act of ['plan', 'cold run', 'no-op run']) {
        rows.push({
          work,
          act,
          shallow: shallow[act],
          deep: deep[act],
          ratio: deep[act].ms / +options.deep / (shallow[act].ms / +options.stages),
        });
      }
    }
    const worst = Math.max(...rows.map(({ ratio }) => ratio));
    return {
      met: worst <= 1.2,
      headline: `all ${options.deep} stages ran in their order; the largest ratio of costs per stage is ${worst.toFixed(2)}.`,
      tables: [
        {
          columns: ['chain of', 'what', `${options.stages} stages`, `${options.deep} stages`, 'ratio per stage', 'RSS'],
          rows: rows.map(({ work, act, shallow, deep, ratio }) => [
            WORK[work],
            act,
            seconds(shallow.ms),
            seconds(deep.ms),
            ratio.toFixed(2),
            mebibytes(deep.rss),
          ]),
        },
      ],
      notes: [
        `Whole processes, start included; median of ${options.repeat} at ${options.stages} stages, once at ${options.deep}. Cold runs with --jobs 1.`,
        'Figure 1 says which peers could do such a chain at all.',
      ],
      values: rows,
    };
  },
};

async function measureChain({ scratch, say, work, stages, repeat }) {
  const folder = join(scratch, `${work}-${stages}`, 'workload');
  const runs = { plan: [], 'cold run': [], 'no-op run': [] };
  const call = async (what, argv) => {
    runs[what].push(await measureSuccess(argv, { cwd: folder, limitMs: 3_600_000 }));
    say(`${work} ${stages} ${what}: ${seconds(runs[what].at(-1).ms)}`);
  };
  for (let turn = 0; turn < repeat; turn++) {
    emptyFolder(folder);
    if (work === 'gates') writeFiles(folder, { 'workflow.json': gateWorkflow(stages, 'chain') });
    else headgate.write(folder, makeStages({ stages, shape: 'chain', work: 'true' }));
    await call('plan', headgateArgv('plan', 'workflow.json'));
    await call('cold run', headgate.argv({ jobs: 1 }));
    const done = eventsOfNewestRun(folder).filter(({ type }) => type === 'stage-succeeded');
    if (done.length !== stages) throw new Error(`${done.length} of ${stages} stages ran`);
    await call('no-op run', headgate.argv({}));
    if (!headgate.isIdle(folder)) throw new Error('a stage ran twice');
  }
  return Object.fromEntries(
    Object.entries(runs).map(([what, all]) => [
      what,
      { ms: median(all.map(({ ms }) => ms)), rss: Math.max(...all.map(({ rss }) => rss)) },
    ]),
  );
}

if (isMain(import.meta.url)) await runAlone(deepChain);
