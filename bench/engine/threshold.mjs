// Figure 10: a gate's threshold edited while all metrics are cached: the shipped strategy, run to its end on tiny data, then its
// workflow file edited before every measurement to a threshold it has not seen, which chooses the same case.
//
//   node bench/engine/threshold.mjs [--repeat 9] [--shortest] [--save]
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMain, runAlone } from './figure.mjs';
import { measureSuccess } from './measure.mjs';
import { mebibytes, seconds, summarise } from './stats.mjs';
import { eventsOfNewestRun, headgateArgv } from './tools/headgate.mjs';
import { SHORTEST, tinyProjects } from './tiny-project.mjs';

const WORKFLOW = 'fashion-scenes.json';
/** The gate that looks at the edited threshold. */
const EDITED = 'base/admission';

export const threshold = {
  key: 'threshold',
  number: 10,
  title: 'A gate threshold edited, metrics cached',
  target: 're-plan at most 300 ms, whole process.',
  options: { repeat: { type: 'string', default: '9' }, shortest: { type: 'boolean', default: false } },
  async measure({ options, scratch, say }) {
    const { makeProject, removeProject, writeWorkflow } = await tinyProjects();
    const root = await makeProject();
    const log = join(scratch, 'output.txt');
    const until = options.shortest ? ['--until', EDITED] : [];
    const call = (command) => measureSuccess(headgateArgv(command, WORKFLOW, ...until), { cwd: root, log });
    try {
      const path = await writeWorkflow(root, WORKFLOW, options.shortest ? SHORTEST : {});
      const first = await call('run');
      say(`the first run took ${seconds(first.ms)}`);
      const measured = { plan: [], run: [] };
      for (let turn = 0; turn < +options.repeat; turn++) {
        editThreshold(path, 2 + (turn + 1) / 1000);
        measured.plan.push(await call('plan'));
        measured.run.push(await call('run'));
        const started = stagesStarted(eventsOfNewestRun(root));
        if (started.length === 0 || started.some(({ kind }) => kind !== 'gate'))
          throw new Error(`the edit started ${started.map(({ id }) => id).join(', ') || 'nothing'}`);
      }
      const stages = eventsOfNewestRun(root)[0].stages.length;
      return conclude(measured, { stages, repeat: options.repeat });
    } finally {
      await removeProject(root);
    }
  },
};

function stagesStarted(events) {
  const outlines = new Map(events[0].stages.map((outline) => [outline.id, outline]));
  return events.filter(({ type }) => type === 'stage-started').map(({ stage }) => outlines.get(stage));
}

/** The backbone's admission: its share of the float accuracy is far above two percent. */
function editThreshold(path, percent) {
  const workflow = JSON.parse(readFileSync(path, 'utf8'));
  if (workflow.params.thresholds.admit === undefined) throw new Error(`${path} has no thresholds.admit`);
  workflow.params.thresholds.admit = percent;
  writeFileSync(path, JSON.stringify(workflow, null, 2));
}

function conclude({ plan, run }, { stages, repeat }) {
  const [planned, ran] = [plan, run].map((all) => summarise(all.map(({ ms }) => ms)));
  const row = (command, { median, min, max }, all) => [
    command,
    seconds(median),
    `${seconds(min)} to ${seconds(max)}`,
    mebibytes(Math.max(...all.map(({ rss }) => rss))),
  ];
  return {
    met: planned.median <= 300,
    headline: `\`plan\` ${seconds(planned.median)}, \`run\` ${seconds(ran.median)}; the run decided the gate again and started nothing else.`,
    tables: [
      {
        columns: ['command after the edit', 'median', 'smallest to largest', 'largest RSS'],
        rows: [row('headgate plan', planned, plan), row('headgate run', ran, run)],
      },
    ],
    notes: [`workflows/${WORKFLOW} (${stages} stages) on tiny data; ${repeat} edits of \`thresholds.admit\`.`],
    values: { plan: planned, run: ran },
  };
}

if (isMain(import.meta.url)) await runAlone(threshold);
