// Figure 4: what the engine itself costs per stage when everything is new: gates (the engine's own process, every event and
// record durable), and commands that run `true`, beside the peers.
//
//   node bench/engine/cold.mjs [--stages 1000] [--trial 100] [--repeat 3] [--limit 60] [--save]
import { join } from 'node:path';
import { Contestant, contestants, inTurns } from './contest.mjs';
import { isMain, runAlone } from './figure.mjs';
import { measureSuccess } from './measure.mjs';
import { millis, seconds, summarise } from './stats.mjs';
import { gateWorkflow, headgate } from './tools/headgate.mjs';
import { emptyFolder, makeStages, writeFiles } from './workload.mjs';

const SETTINGS = [
  { shape: 'fan', jobs: 1, words: 'fan-out, 1 job at once' },
  { shape: 'fan', jobs: 2, words: 'fan-out, 2 at once' },
  { shape: 'chain', jobs: 1, words: 'chain' },
];

/** Whoever takes longer has nothing to win by a second try. */
const ONCE = { overMs: 10_000, repeat: 1 };

export const cold = {
  key: 'cold',
  number: 4,
  title: 'Engine cost per cold stage',
  target:
    "at 1,000 stages at most 8 ms with the durable journal, for stages of the engine's own process; `true` beside the peers.",
  options: {
    stages: { type: 'string', default: '1000' },
    trial: { type: 'string', default: '100' },
    repeat: { type: 'string', default: '3' },
    limit: { type: 'string', default: '60' },
  },
  async measure(bench) {
    const own = await measureGates(bench);
    const field = contestants(bench);
    const commands = [];
    for (const setting of SETTINGS) commands.push(await measureCommands(bench, field.tools, setting));
    return conclude(bench.options, own, commands, field);
  },
};

async function measureGates({ options, scratch, say }) {
  const rows = [];
  for (const shape of ['fan', 'chain']) {
    const folder = join(scratch, `gates-${shape}`, 'workload');
    const runs = [];
    for (let turn = 0; turn < +options.repeat; turn++) {
      emptyFolder(folder);
      writeFiles(folder, { 'workflow.json': gateWorkflow(+options.stages, shape) });
      runs.push(await measureSuccess(headgate.argv({ jobs: 1 }), { cwd: folder }));
      say(`gates, ${shape}: ${seconds(runs.at(-1).ms)}`);
    }
    rows.push({
      shape,
      perStage: summarise(runs.map(({ ms }) => ms / options.stages)),
      cpu: summarise(runs.map(({ cpuMs }) => cpuMs / options.stages)),
    });
  }
  return rows;
}

/** Each tool first with few stages; one that would take too long with all of them is told by these. */
async function measureCommands({ options, scratch, say }, tools, { shape, jobs, words }) {
  const round = async (chosen, stages, repeat) => {
    const workload = makeStages({ stages, shape, work: 'true' });
    const ready = chosen.map((tool) => new Contestant(tool, join(scratch, `${shape}-${jobs}-${stages}`), workload));
    for (const one of ready) await one.attempt(async () => one.write());
    const cold = async (one) => {
      one.tool.forget(one.folder);
      return one.run({ jobs, limitMs: 5000 * options.limit });
    };
    await inTurns(ready, repeat, cold, ONCE);
    for (const one of ready) one.stop();
    for (const { name, trouble, summary } of ready)
      say(`true, ${words}, ${stages} stages, ${name}: ${trouble ?? seconds(summary.median)}`);
    return ready.map(({ name, tool, trouble, summary }) => ({ name, tool, trouble, summary, stages }));
  };
  const trials = await round(tools, +options.trial, 1);
  const feasible = trials.filter(
    ({ trouble, summary }) =>
      trouble === undefined && (summary.median * options.stages) / options.trial <= 1000 * options.limit,
  );
  const full = await round(
    feasible.map(({ tool }) => tool),
    +options.stages,
    +options.repeat,
  );
  return { words, rows: trials.map((trial) => full.find(({ name }) => name === trial.name) ?? trial) };
}

function conclude({ stages, limit, repeat, trial }, own, commands, { tools, missing, versions }) {
  const worst = Math.max(...own.map(({ perStage }) => perStage.median));
  const cell = ({ trouble, summary, stages: measured }) =>
    trouble ?? `${millis(summary.median / measured)}${measured === +stages ? '' : ` (${measured} stages)`}`;
  const costOf = ({ summary, stages: measured }) => summary.median / measured;
  const loses = commands.flatMap(({ words, rows }) => {
    const mine = rows.find(({ name }) => name === 'headgate');
    return rows.filter((one) => costOf(one) < costOf(mine)).map(({ name }) => `${name} costs less: ${words}`);
  });
  return {
    met: worst <= 8,
    headline: `${own.map(({ shape, perStage }) => `${shape === 'fan' ? 'fan-out' : 'chain'} ${millis(perStage.median)}`).join(', ')} per gate stage at ${stages}.`,
    tables: [
      {
        caption: 'Gate stages, decided in the engine, per stage',
        columns: ['shape', 'wall: median (smallest to largest)', 'CPU: median'],
        rows: own.map(({ shape, perStage, cpu }) => [
          shape === 'fan' ? 'fan-out' : 'chain',
          `${millis(perStage.median)} (${millis(perStage.min)} to ${millis(perStage.max)})`,
          millis(cpu.median),
        ]),
      },
      {
        caption: 'Command stages running `true`, whole process divided by the number of stages, median',
        columns: ['tool', ...commands.map(({ words }) => words)],
        rows: tools.map(({ name }) => [
          name,
          ...commands.map(({ rows }) => cell(rows.find((row) => row.name === name))),
        ]),
      },
    ],
    versions,
    notes: [
      `Median of ${repeat} in turns, once where one takes over ${ONCE.overMs / 1000} s; a tool that would need more than ${limit} s is measured once at ${trial} stages.`,
      'headgate keeps a durable record and journal of every stage and an own folder for every job; doit writes its database at the end.',
      'DVC runs one stage at a time whatever is asked.',
      ...missing,
    ],
    loses,
    values: {
      gates: own,
      commands: commands.map(({ words, rows }) => ({ words, rows: rows.map(({ tool: _, ...row }) => row) })),
    },
  };
}

if (isMain(import.meta.url)) await runAlone(cold);
