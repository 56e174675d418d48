// An engine as a process of its own, for tests that kill it: reads a plan, runs it, prints its events.
// argv: root, plan file, worker script[, run to continue]
import { readFileSync } from 'node:fs';
import { runId } from '../../src/events/ids.ts';
import { startRun } from '../../src/execute/run-plan.ts';
import { localExecutor } from '../../src/executors/local.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { readJournal } from '../../src/store/journal.ts';
import { runFolder } from '../../src/store/runs.ts';
import { openStore } from '../../src/store/store.ts';

const [root = '', planFile = '', worker = '', continued] = process.argv.slice(2);
const store = openStore(root);
const earlier = continued === undefined ? undefined : await readJournal(runFolder(store.layout, runId(continued)));
const handle = await startRun({
  plan: JSON.parse(readFileSync(planFile, 'utf8')) as Plan,
  store,
  executor: localExecutor,
  embedded: { argv: [process.execPath, worker], code: { worker: 'test', onnxruntime: '0' } },
  listeners: [(event) => void process.stdout.write(`${JSON.stringify(event)}\n`)],
  options: {},
  headgate: '0.0.0',
  ...(continued === undefined || earlier === undefined
    ? {}
    : {
        continues: {
          run: runId(continued),
          nextSeq: (earlier.events.at(-1)?.seq ?? -1) + 1,
          soundBytes: earlier.soundBytes,
          tornBytes: earlier.tornBytes,
        },
      }),
});
process.on('SIGINT', (signal) => handle.interrupt(signal));
process.exitCode = (await handle.finished).exitCode;
