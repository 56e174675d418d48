// How a job is started: the program and its arguments, where it runs, what it sees of the environment, how long it may take.
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StageFailure } from '../events/failures.ts';
import type { JobInput } from '../events/job-protocol.ts';
import type { PlannedStage } from '../plan/plan.ts';
import type { Store } from '../store/store.ts';
import { redactorOf } from '../support/redaction.ts';
import { err, ok, type Result } from '../support/result.ts';
import { commandLine } from './command-job.ts';
import { NO_TELEMETRY, type JobEnvironment } from './job-environment.ts';
import type { EmbeddedBackend, JobLaunch } from './ports.ts';

interface Launching {
  readonly store: Store;
  readonly embedded: EmbeddedBackend;
  readonly graceMs: number;
  readonly defaultTimeoutMs?: number;
}

/** A program that knows nothing of headgate has no resume state to write. */
const COMMAND_GRACE_MS = 5000;

export type Launch = JobLaunch & { readonly outputs?: { readonly [port: string]: string } };

export async function launchOf(
  context: Launching,
  stage: PlannedStage,
  folder: string,
  inputs: { readonly [port: string]: JobInput },
  environment: JobEnvironment,
): Promise<Result<Launch, StageFailure>> {
  const timeoutMs = stage.timeoutMs ?? context.defaultTimeoutMs;
  const common = {
    jobFolder: folder,
    graceMs: context.graceMs,
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
  if (stage.runsOn !== 'command') {
    return ok({
      ...common,
      argv: [...(stage.program ?? context.embedded).argv, folder],
      cwd: folder,
      // What a package brings along gets what is declared, like any command; the engine's own worker all there is.
      ...(stage.runsOn === 'program'
        ? { env: environment.values, redactor: redactorOf(environment.secrets) }
        : { env: { ...process.env, ...NO_TELEMETRY } }),
      stdin: 'held',
    });
  }
  const outFolder = join(folder, 'out');
  const { root } = context.store.layout;
  const line = commandLine(stage.settings, { root, outFolder, inputs });
  if (!line.ok) return line;
  const { cwd } = line.value;
  if ((await stat(cwd).catch(() => undefined))?.isDirectory() !== true) {
    return err({ reason: 'settings-invalid', problem: `the working folder ${cwd} does not exist` });
  }
  for (const path of Object.values(line.value.outputs))
    await mkdir(dirname(join(outFolder, path)), { recursive: true });
  return ok({
    ...common,
    ...line.value,
    env: environment.values,
    redactor: redactorOf(environment.secrets),
    stdin: 'empty',
    graceMs: Math.min(context.graceMs, COMMAND_GRACE_MS),
  });
}
