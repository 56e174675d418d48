// headgate watch FILE: runs it, and again whatever an edit affects, until it is interrupted.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { findInstallation } from '../../compose/installation.ts';
import { openPlan } from '../../compose/open-plan.ts';
import { selectStages } from '../../compose/select-stages.ts';
import { coloursFor } from '../../console/colours.ts';
import { watchLine } from '../../console/watch-lines.ts';
import { forecastRun } from '../../execute/forecast.ts';
import { fileDigests } from '../../execute/key.ts';
import { tokenSupply } from '../../execute/run-plan.ts';
import type { Plan } from '../../plan/plan.ts';
import { LatestKeys } from '../../store/actions.ts';
import { nextRunId } from '../../store/runs.ts';
import { openStore, type Store } from '../../store/store.ts';
import type { Digest } from '../../support/digest.ts';
import { err, ok } from '../../support/result.ts';
import type { WatchEvent } from '../../watch/watch-events.ts';
import { WorkflowWatch, type WatchPorts } from '../../watch/watch-workflow.ts';
import type { ConductOptions } from '../conduct-run.ts';
import { startWatchedRun } from '../conduct-watched-run.ts';
import type { WorkflowOptions } from '../load-plan.ts';
import { rootOf } from '../root.ts';
import { sinkFor } from '../run-output.ts';
import { runSettings } from '../run-options.ts';
import { refuse, type ExitCode, type Terminal } from '../terminal.ts';

export type WatchOptions = Omit<WorkflowOptions, 'json'> &
  Omit<ConductOptions, 'json' | 'fault'> & {
    readonly until?: readonly string[];
    readonly poll?: boolean;
  };

export async function watch(terminal: Terminal, file: string, options: WatchOptions): Promise<ExitCode> {
  const manner = runSettings(options);
  if (!manner.ok) return refuse(terminal, manner.error.message, manner.error.help);
  const missing = [file, ...named(options.params)].find((path) => !existsSync(path));
  if (missing !== undefined) return refuse(terminal, `${missing}: there is no such file`, 'watch a file that exists');

  const root = rootOf(options);
  const store = openStore(root);
  const installation = await findInstallation(terminal.installFolder);
  const sink = await sinkFor(terminal, options);
  const colours = coloursFor(terminal.stdout, terminal.env);
  const tell = (event: WatchEvent): void => {
    if (options.logFormat === 'jsonl') terminal.stdout.write(`${JSON.stringify(event)}\n`);
    const line = watchLine(event, colours);
    if (line !== undefined) sink.say(line);
  };
  const { jobs, resources, ...rest } = manner.value;
  const started = { terminal, file, options, store, ...installation, sink, colours };
  const tokens = tokenSupply({
    ...(jobs === undefined ? {} : { jobs }),
    ...(resources === undefined ? {} : { resources }),
  });
  const ports: WatchPorts = {
    load: async (onLook) => {
      const whole = await openPlan(file, { ...options, root, onLook });
      if (!whole.ok) return whole;
      const selection = selectStages(whole.value, options);
      return selection.ok ? ok(selection.value.plan) : err([selection.error]);
    },
    digestOf: (path) => contentOf(store, path),
    forecast: (plan) => forecast(store, plan, installation.embedded.code),
    newRun: () => nextRunId(store.layout, new Date()),
    start: (plan, run) => startWatchedRun({ ...started, manner: { ...rest, tokens } }, plan, run),
    tell,
  };
  const sources: [string, ...string[]] = [file, ...named(options.params)];
  const watching = new WorkflowWatch({ sources, root, home: store.layout.home, poll: options.poll === true }, ports);
  const ignoreInterrupts = terminal.onInterrupt((signal) => watching.interrupt(signal));
  try {
    await watching.run();
  } finally {
    ignoreInterrupts();
    sink.close();
  }
  return 130;
}

function named(params: string | undefined): readonly string[] {
  return params === undefined ? [] : [resolve(params)];
}

async function contentOf(store: Store, path: string): Promise<Digest | undefined> {
  const digests = await fileDigests({ files: [{ name: 'content', path }] }, store);
  return digests.ok ? digests.value['content'] : undefined;
}

async function forecast(
  store: Store,
  plan: Plan,
  code: Parameters<typeof forecastRun>[0]['code'],
): ReturnType<typeof forecastRun> {
  const latest = await LatestKeys.open(store.layout, plan.workflow);
  return forecastRun({ plan, store, latest, code, forced: new Set() });
}
