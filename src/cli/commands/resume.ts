// headgate resume [FILE]: the newest unfinished run goes on, with the options it was started with.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoreLayout } from '../../store/layout.ts';
import { unlockRun } from '../../store/run-lock.ts';
import { openStore } from '../../store/store.ts';
import { isJsonObject, type JsonObject } from '../../support/json.ts';
import { conductRun, type ConductOptions } from '../conduct-run.ts';
import { workflowFileOf, type PastRun } from '../../compose/past-runs.ts';
import { resumedWarnings } from '../../compose/told-run.ts';
import { takeUnfinished } from '../../compose/take-unfinished.ts';
import { prepare, type SelectionOptions } from '../prepare.ts';
import { mannerAgain } from '../run-options.ts';
import { refuse, type ExitCode, type Terminal } from '../terminal.ts';

export async function resume(
  terminal: Terminal,
  file: string | undefined,
  options: ConductOptions & { readonly root?: string },
): Promise<ExitCode> {
  const { layout } = openStore(options.root ?? '.');
  const tell = (message: string): void => void terminal.stderr.write(`headgate: ${message}\n`);
  const found = await takeUnfinished(layout, file, tell);
  if (!found.ok) return refuse(terminal, found.error.message, found.error.help);
  try {
    return await goOn(terminal, found.value, layout, options);
  } finally {
    unlockRun(found.value.folder); // where it was not even started
  }
}

async function goOn(
  terminal: Terminal,
  past: PastRun,
  layout: StoreLayout,
  options: ConductOptions,
): Promise<ExitCode> {
  const journaled = past.started.options;
  const workflow = workflowFileOf(past, layout);
  if (workflow === undefined) return refuse(terminal, `run ${past.run} does not say which workflow it ran`);
  const selection = { ...(await selectionOf(past, journaled)), root: layout.root };
  const prepared = await prepare(terminal, workflow, selection);
  if (prepared === undefined) return 2;

  const { events, soundBytes, tornBytes, damage } = past.journal;
  for (const warning of resumedWarnings(past)) terminal.stderr.write(`headgate: ${warning}\n`);
  const done = new Set(events.flatMap((event) => (event.type === 'stage-succeeded' ? [event.stage] : [])));
  const forced = new Set([...prepared.forced].filter((stage) => !done.has(stage)));
  return conductRun(terminal, { ...prepared, forced }, { ...options, ...mannerAgain(journaled, options) }, journaled, {
    earlier: events,
    continues: {
      run: past.run,
      nextSeq: (events.at(-1)?.seq ?? -1) + 1,
      soundBytes,
      tornBytes,
      ...(damage === undefined ? {} : { damage }),
    },
  });
}

async function selectionOf({ folder }: PastRun, journaled: JsonObject): Promise<SelectionOptions> {
  const params = await paramsFile(folder, journaled);
  const lists = (['set', 'until', 'only', 'force'] as const).flatMap((name) => {
    const list = journaled[name];
    return Array.isArray(list) ? [[name, list.map(String)] as const] : [];
  });
  return { ...Object.fromEntries(lists), ...(params === undefined ? {} : { params }) };
}

/** The params file as it was when the run began. */
async function paramsFile(folder: string, { params }: JsonObject): Promise<string | undefined> {
  if (!isJsonObject(params) || typeof params['path'] !== 'string' || typeof params['text'] !== 'string')
    return undefined;
  const now = await readFile(params['path'], 'utf8').catch(() => undefined);
  if (now === params['text']) return params['path'];
  const kept = join(folder, 'params.json');
  await writeFile(kept, params['text']);
  return kept;
}
