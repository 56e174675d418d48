// Figure 9: watching. From an edit's last write to the start of the first affected stage; a burst of events; an edit while a
// ten-second stage runs, beside Wireit.
//
//   node bench/engine/watch.mjs [--edits 60] [--burst 1000] [--stages 50] [--slow 10] [--save]
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { contestants } from './contest.mjs';
import { savePatterns } from './edits.mjs';
import { isMain, runAlone } from './figure.mjs';
import { Followed } from './follow.mjs';
import { millis, seconds, summarise } from './stats.mjs';
import { headgateArgv } from './tools/headgate.mjs';
import { emptyFolder, writeFiles } from './workload.mjs';

const PLANNED = new Set(['plan-changed', 'plan-unchanged', 'plan-refused']);
/** An edit a little after the slow stage has begun. */
const INTO_THE_STAGE_MS = 1000;
const LOST_AFTER_MS = 20_000;

export const watch = {
  key: 'watch',
  number: 9,
  title: 'Watching',
  target: 'edit to the start of the first affected stage at most 250 ms (p95); 1,000 events are one re-plan.',
  options: {
    edits: { type: 'string', default: '60' },
    burst: { type: 'string', default: '1000' },
    stages: { type: 'string', default: '50' },
    slow: { type: 'string', default: '10' },
  },
  async measure(bench) {
    const { options, scratch, say } = bench;
    const { edits, bursts } = await measureEdits(join(scratch, 'edits'), options, say);
    const slow = await measureSlow(bench, join(scratch, 'slow'));
    return conclude(options, edits, bursts, slow);
  },
};

async function measureEdits(folder, options, say) {
  emptyFolder(folder);
  mkdirSync(join(folder, 'data'));
  writeFiles(folder, { 'data/part0.txt': 'part\n', 'script.sh': script(0) });
  writeFileSync(join(folder, 'workflow.json'), workflowText(0, +options.stages));
  const watched = new Followed(headgateArgv('watch', 'workflow.json', '--log-format', 'jsonl'), { cwd: folder });
  try {
    await watched.event(({ type }) => type === 'run-finished');
    const edits = [];
    for (let index = 1; index <= +options.edits; index++)
      edits.push(await edit(watched, folder, index, +options.stages));
    say(`${edits.length} edits, p95 ${millis(summarise(edits.map(({ ms }) => ms)).p95)}`);
    const bursts = [
      await burst(
        watched,
        `${options.burst} new files in a folder that a stage reads`,
        (event) => writeFileSync(join(folder, 'data', `burst${event}.txt`), `${event}\n`),
        +options.burst,
      ),
      await burst(
        watched,
        `${options.burst} writes of one file`,
        (event) => writeFileSync(join(folder, 'script.sh'), script(1_000_000 + event)),
        +options.burst,
      ),
    ];
    for (const { words, plans } of bursts) say(`${words}: ${plans} plans`);
    return { edits, bursts };
  } finally {
    await watched.stop();
  }
}

/** One edit, in turn of the workflow, a data file and a script, and in turn by each way of saving. */
async function edit(watched, folder, index, stages) {
  const patterns = Object.entries(savePatterns);
  const targets = [
    { file: 'workflow.json', text: () => workflowText(index, stages), stage: 'edited' },
    { file: 'data/part0.txt', text: () => `part ${index}\n`, stage: 'data' },
    { file: 'script.sh', text: () => script(index), stage: 'script' },
  ];
  const { file, text, stage } = targets[index % targets.length];
  const [pattern, save] = patterns[Math.floor(index / targets.length) % patterns.length];
  const content = text();
  const from = watched.lines.length;
  save(join(folder, file), content);
  const savedAt = Date.now();
  const isStart = (event) => event.type === 'stage-started' && event.stage === stage;
  try {
    const started = await watched.event(isStart, { from, withinMs: LOST_AFTER_MS });
    await watched.event(({ type }) => type === 'run-finished', { from, withinMs: LOST_AFTER_MS });
    // A save in two steps may be seen as two: the second plan belongs to this edit, not to the next.
    await pause(100);
    return { file, pattern, ms: Date.parse(started.time) - savedAt };
  } catch (cause) {
    if (watched.hasEnded) throw cause;
    return { file, pattern, lost: true };
  }
}

async function burst(watched, words, write, events) {
  const from = watched.lines.length;
  const started = performance.now();
  for (let event = 0; event < events; event++) write(event);
  const lasted = performance.now() - started;
  await watched.event(({ type }) => type === 'run-finished', { from, withinMs: 60_000 });
  await pause(2000);
  const since = watched.lines.slice(from).flatMap(({ event }) => (event === undefined ? [] : [event.type]));
  return {
    words,
    lasted,
    plans: since.filter((type) => PLANNED.has(type)).length,
    runs: since.filter((type) => type === 'run-started').length,
  };
}

function workflowText(edition, stages) {
  const output = { out: { type: 'file', path: 'out.txt' } };
  const command = (name, more = {}) => ({
    kind: 'command',
    with: { argv: ['sh', '-c', `echo ${name} > "$1"`, 'sh', '{output:out}'], outputs: output, ...more },
  });
  const others = Array.from({ length: stages - 3 }, (_, index) => [`other${index}`, command(`other${index}`)]);
  return `${JSON.stringify(
    {
      name: 'watched',
      stages: {
        edited: command(`edition${edition}`),
        data: command('data', { files: ['data'] }),
        script: {
          kind: 'command',
          with: { argv: ['sh', 'script.sh', '{output:out}'], outputs: output, files: ['script.sh'] },
        },
        ...Object.fromEntries(others),
      },
    },
    null,
    2,
  )}\n`;
}

function script(edition) {
  return `# edition ${edition}\necho ${edition} > "$1"\n`;
}

/** A second into a stage of some seconds its input is edited: how long until the stage starts on the new input? */
async function measureSlow(bench, folder) {
  const rows = [await slowHeadgate(join(folder, 'headgate'), +bench.options.slow)];
  const wireit = contestants(bench).tools.find(({ name }) => name === 'Wireit');
  if (wireit !== undefined) rows.push(await slowWireit(join(folder, 'wireit'), +bench.options.slow, wireit));
  for (const { name, ms, trouble } of rows) bench.say(`slow stage, ${name}: ${trouble ?? seconds(ms)}`);
  return rows;
}

async function slowHeadgate(folder, slow) {
  emptyFolder(folder);
  const argv = ['sh', '-c', `sleep ${slow}; cp source.txt "$1"`, 'sh', '{output:out}'];
  const stage = {
    kind: 'command',
    with: { argv, files: ['source.txt'], outputs: { out: { type: 'file', path: 'out.txt' } } },
  };
  writeFiles(folder, { 'workflow.json': { name: 'slow', stages: { slow: stage } } });
  const watched = new Followed(headgateArgv('watch', 'workflow.json', '--log-format', 'jsonl'), { cwd: folder });
  const isStart = ({ type }) => type === 'stage-started';
  try {
    await watched.event(isStart);
    await pause(INTO_THE_STAGE_MS);
    const from = watched.lines.length;
    writeFileSync(join(folder, 'source.txt'), 'an edit\n');
    const savedAt = Date.now();
    const again = await watched.event(isStart, { from, withinMs: 3000 * slow });
    return { name: 'headgate', ms: Date.parse(again.time) - savedAt };
  } finally {
    await watched.stop();
  }
}

async function slowWireit(folder, slow, { place, found }) {
  emptyFolder(folder);
  const log = join(folder, 'starts.log');
  const stages = [
    { name: 'slow', needs: null, reads: 'source.txt', writes: null, shell: `date +%s%3N >> starts.log; sleep ${slow}` },
  ];
  const name = `Wireit ${found}`;
  const { tools } = contestants({ wants: (tool) => tool === 'Wireit' });
  tools[0].write(folder, stages, place);
  const watched = new Followed(['npm', 'run', 'slow', '--watch'], { cwd: folder });
  try {
    await startsIn(log, 1, 20_000);
    await pause(INTO_THE_STAGE_MS);
    writeFileSync(join(folder, 'source.txt'), 'an edit\n');
    const savedAt = Date.now();
    const [, second] = await startsIn(log, 2, 3000 * slow);
    return { name, ms: second - savedAt };
  } catch (cause) {
    return { name, trouble: cause.message };
  } finally {
    await watched.stop();
  }
}

/** The times that the stage itself wrote down, once there are so many. */
async function startsIn(log, wanted, withinMs) {
  for (let waited = 0; waited < withinMs; waited += 20) {
    const starts = readIfThere(log).split('\n').filter(Boolean).map(Number);
    if (starts.length >= wanted) return starts;
    await pause(20);
  }
  throw new Error(`did not start within ${withinMs / 1000} s`);
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function conclude(options, edits, bursts, slow) {
  const all = summarise(edits.map(({ ms }) => ms));
  const groups = [...new Set(edits.map(({ pattern }) => pattern))];
  const row = (words, { n, median, p95, max }) => [words, n, millis(median), millis(p95), millis(max)];
  const [mine, ...others] = slow;
  const lost = edits.filter((one) => one.lost);
  return {
    met: lost.length === 0 && all.p95 <= 250 && bursts.every(({ plans }) => plans === 1),
    headline: `p50 ${millis(all.median)}, p95 ${millis(all.p95)}, largest ${millis(all.max)} over ${all.n} edits${lost.length > 0 ? `, ${lost.length} never seen (${[...new Set(lost.map(({ file, pattern }) => `${file}: ${pattern}`))].join('; ')})` : ''}; ${bursts.map(({ words, plans }) => `${words}: ${plans} re-plan${plans === 1 ? '' : 's'}`).join('; ')}.`,
    tables: [
      {
        caption: "From the edit's last write to the first affected stage's start",
        columns: ['saved by', 'edits', 'p50', 'p95', 'largest'],
        rows: [
          ...groups.map((group) =>
            row(group, summarise(edits.filter(({ pattern }) => pattern === group).map(({ ms }) => ms))),
          ),
          row('all', all),
        ],
      },
      {
        caption: 'Bursts',
        columns: ['what', 'written within', 're-plans', 'runs'],
        rows: bursts.map(({ words, lasted, plans, runs }) => [words, millis(lasted), plans, runs]),
      },
      {
        caption: `An edit ${INTO_THE_STAGE_MS / 1000} s into a stage of ${options.slow} s: until the stage starts on the new input`,
        columns: ['tool', 'time'],
        rows: slow.map(({ name, ms, trouble }) => [name, trouble ?? seconds(ms)]),
      },
    ],
    notes: [
      `A workflow of ${options.stages} command stages; edits of the workflow file, of a file in a folder that a stage reads, and of a script, in turn. The end of the interval is the time of the journal's stage-started event, just before the command is spawned.`,
    ],
    loses: others.filter(({ ms }) => ms < mine.ms).map(({ name }) => `${name} starts the slow stage anew sooner`),
    values: { edits, bursts, slow },
  };
}

if (isMain(import.meta.url)) await runAlone(watch);
