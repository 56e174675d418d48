// Figure 11: the engine's main loop while an embedded training stage runs. A sampler in the engine's process notes every
// stretch in which its loop did not come round; the journal says when training stages ran.
//
//   node bench/engine/main-loop.mjs [--epochs 60] [--shortest] [--save]
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMain, runAlone } from './figure.mjs';
import { measureSuccess } from './measure.mjs';
import { millis, seconds } from './stats.mjs';
import { eventsOfNewestRun, headgateArgv } from './tools/headgate.mjs';
import { SHORTEST, tinyProjects } from './tiny-project.mjs';

const WORKFLOW = 'fashion-scenes.json';
const TRAINING = new Set(['train', 'finetune', 'qat']);

export const mainLoop = {
  key: 'main-loop',
  number: 11,
  title: 'The main loop while training',
  target: 'never blocked over 200 ms while an embedded training stage runs.',
  options: { epochs: { type: 'string', default: '60' }, shortest: { type: 'boolean', default: false } },
  async measure({ options, scratch, say }) {
    const { makeProject, removeProject, writeWorkflow } = await tinyProjects();
    const root = await makeProject();
    const log = join(scratch, 'loop.json');
    try {
      await writeWorkflow(root, WORKFLOW, {
        ...(options.shortest ? SHORTEST : {}),
        trunk: { epochs: +options.epochs },
      });
      const preload = new URL('preload/watch-loop.mjs', import.meta.url).href;
      const until = options.shortest ? ['--until', 'float-head[segmentation]'] : [];
      await measureSuccess(headgateArgv('run', WORKFLOW, '--jobs', '2', ...until), {
        cwd: root,
        env: { NODE_OPTIONS: `--import ${preload}`, HEADGATE_BENCH_LOOP: log },
        log: join(scratch, 'output.txt'),
      });
      const windows = trainingWindows(eventsOfNewestRun(root));
      say(`${windows.length} training stages`);
      return conclude(JSON.parse(readFileSync(log, 'utf8')), windows);
    } finally {
      await removeProject(root);
    }
  },
};

function trainingWindows(events) {
  const kinds = new Map(events[0].stages.map(({ id, kind }) => [id, kind]));
  const started = new Map();
  const windows = [];
  for (const { type, stage, time } of events) {
    if (type === 'stage-started' && TRAINING.has(kinds.get(stage))) started.set(stage, Date.parse(time));
    if (type === 'stage-succeeded' && started.has(stage))
      windows.push({ stage, from: started.get(stage), to: Date.parse(time) });
  }
  return windows;
}

function conclude({ turns, stalls, wholeProcessMaxMs }, windows) {
  const during = ({ from, to }) => stalls.filter((stall) => stall.from + stall.ms > from && stall.from < to);
  const longest = (some) => Math.max(0, ...some.map(({ ms }) => ms));
  const worst = longest(windows.flatMap(during));
  const busy = windows.reduce((sum, { from, to }) => sum + to - from, 0);
  return {
    met: windows.length > 0 && worst <= 200,
    headline: `longest ${millis(worst)} during ${windows.length} training stages (${seconds(busy)} of training).`,
    tables: [
      {
        columns: ['training stage', 'ran for', 'stretches over 20 ms', 'longest'],
        rows: windows.map((window) => [
          window.stage,
          seconds(window.to - window.from),
          during(window).length,
          millis(longest(during(window))),
        ]),
      },
    ],
    notes: [
      `Sampled every 5 ms inside the engine (${turns} turns); stretches up to 20 ms are not listed. monitorEventLoopDelay over the whole process, its start and the planning included: at most ${millis(wholeProcessMaxMs)}.`,
      `workflows/${WORKFLOW} on tiny data: real training in a process of its own.`,
    ],
    values: { stalls, windows, wholeProcessMaxMs },
  };
}

if (isMain(import.meta.url)) await runAlone(mainLoop);
