// Runs jobs of the embedded backend in real worker processes, through the job directory, as the engine does.
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { join } from 'node:path';
import type { JobEvent, JobInput, JobRequest, JobResult } from '../../src/events/job-protocol.ts';
import { JOB_PROTOCOL } from '../../src/events/job-protocol.ts';
import { digestBytes } from '../../src/support/digest.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { builtWorker } from '../support/built-program.ts';

export interface JobOrder {
  readonly kind: string;
  readonly settings: JsonObject;
  /** Port → file or folder. */
  readonly inputs?: { readonly [port: string]: string };
  readonly seed?: number;
  readonly threads?: number;
  readonly resumeFrom?: string;
  readonly fault?: JsonObject;
  /** Whether the worker may inject faults at all; by default exactly when there is one. */
  readonly faults?: boolean;
  readonly protocol?: number;
}

export interface DoneJob {
  readonly folder: string;
  readonly result: JobResult;
  readonly events: readonly JobEvent[];
}

const TOKEN = 'a-token-of-this-attempt';

export class WorkerRig {
  readonly root: string;
  private jobs = 0;

  private constructor(root: string) {
    this.root = root;
  }

  static async start(): Promise<WorkerRig> {
    return new WorkerRig(await mkdtemp(join(tmpdir(), 'headgate-jobs-')));
  }

  async remove(): Promise<void> {
    await rm(this.root, { recursive: true, force: true });
  }

  async run(order: JobOrder): Promise<DoneJob> {
    const folder = await this.prepare(order);
    const child = this.spawn(folder, order);
    const problems = textOf(child);
    await once(child, 'close');
    return { folder, result: await resultOf(folder, problems), events: await eventsOf(folder) };
  }

  /** The outputs of a job that must succeed: port → path. */
  async outputs(order: JobOrder): Promise<{ readonly [port: string]: string }> {
    return outputsOf(await this.run(order));
  }

  /** A job that goes on from event to event only as the test reads them. */
  async step(order: JobOrder): Promise<SteppedJob> {
    const folder = await this.prepare(order);
    makePipe(join(folder, 'events.jsonl'));
    return new SteppedJob(folder, this.spawn(folder, order));
  }

  /** For a job. */
  async newFolder(): Promise<string> {
    const folder = join(this.root, `job${this.jobs++}`);
    await mkdir(folder);
    return folder;
  }

  private async prepare(order: JobOrder): Promise<string> {
    const folder = await this.newFolder();
    const inputs: { [port: string]: JobInput } = {};
    for (const [port, path] of Object.entries(order.inputs ?? {}))
      inputs[port] = { type: 'file', path, digest: digestBytes(Buffer.from(path)) };
    const request: Omit<JobRequest, 'protocol'> & { readonly protocol: number } = {
      protocol: order.protocol ?? JOB_PROTOCOL,
      kind: order.kind,
      stage: order.kind,
      token: TOKEN,
      settings: order.settings,
      inputs,
      seed: order.seed ?? 0,
      threads: order.threads ?? 1,
      ...(order.resumeFrom === undefined ? {} : { resumeFrom: order.resumeFrom }),
      ...(order.fault === undefined ? {} : { fault: order.fault }),
    };
    await writeFile(join(folder, 'job.json'), JSON.stringify(request));
    return folder;
  }

  private spawn(folder: string, { faults, fault }: JobOrder): ChildProcess {
    const { HEADGATE_FAULTS: _, ...env } = process.env;
    return spawn(process.execPath, [builtWorker, folder], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: (faults ?? fault !== undefined) ? { ...env, HEADGATE_FAULTS: '1' } : env,
    });
  }
}

/** Its events file is a named pipe: the worker waits at each event until the test takes it. */
export class SteppedJob {
  readonly folder: string;
  readonly process: ChildProcess;
  private readonly exited: Promise<unknown>;
  private readonly problems: () => string;
  private gone = false;
  private reading = false;
  private waiting: JobEvent[] = [];

  constructor(folder: string, process: ChildProcess) {
    this.folder = folder;
    this.process = process;
    this.problems = textOf(process);
    this.exited = once(process, 'close').then(async () => {
      this.gone = true;
      // A read that still waits for a writer ends with this one; again, should it not have come to waiting yet.
      while (this.reading) {
        const pipe = await open(join(this.folder, 'events.jsonl'), 'r+');
        await pipe.close();
        await nextTurn();
      }
    });
  }

  /** Lets the worker go on to its next event; undefined when it has ended without one. */
  async next(): Promise<JobEvent | undefined> {
    if (this.waiting.length === 0 && !this.gone) {
      const text = await this.takeWritten();
      this.waiting = text
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as JobEvent);
    }
    return this.waiting.shift();
  }

  /**
   * What the worker writes next. Once it has the pipe open another takes its name: a worker that opened the same pipe again
   * between our end-of-file and our close would write into nothing.
   */
  private async takeWritten(): Promise<string> {
    const path = join(this.folder, 'events.jsonl');
    this.reading = true;
    const pipe = await open(path, 'r');
    this.reading = false;
    try {
      makePipe(`${path}.next`);
      await rename(`${path}.next`, path);
      return await pipe.readFile('utf8');
    } finally {
      await pipe.close();
    }
  }

  /** Up to and including the `count`-th event of a type. */
  async until(type: JobEvent['type'], count = 1): Promise<JobEvent> {
    for (let seen = 0; ;) {
      const event = await this.next();
      if (event === undefined) throw new Error(`the job ended before ${type} ${count}: ${this.problems()}`);
      if (event.type === type && ++seen === count) return event;
    }
  }

  /** Lets the worker go on to its end. */
  async ended(): Promise<DoneJob> {
    const events: JobEvent[] = [];
    for (let event = await this.next(); event !== undefined; event = await this.next()) events.push(event);
    await this.exited;
    return { folder: this.folder, result: await resultOf(this.folder, this.problems), events };
  }

  /** SIGKILL: nothing more is written. */
  async killed(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }
}

function makePipe(path: string): void {
  execFileSync('mkfifo', [path]);
}

export function outputsOf({ folder, result }: DoneJob): { readonly [port: string]: string } {
  if (result.status !== 'succeeded') throw new Error(`the job did not succeed: ${JSON.stringify(result)}`);
  return Object.fromEntries(Object.entries(result.outputs).map(([port, path]) => [port, join(folder, 'out', path)]));
}

function textOf(child: ChildProcess): () => string {
  let text = '';
  child.stdout?.on('data', (part: Buffer) => (text += part.toString()));
  child.stderr?.on('data', (part: Buffer) => (text += part.toString()));
  return () => text;
}

async function resultOf(folder: string, problems: () => string): Promise<JobResult> {
  const text = await readFile(join(folder, 'result.json'), 'utf8').catch(() => undefined);
  if (text === undefined) throw new Error(`the worker left no result: ${problems()}`);
  const result = JSON.parse(text) as JobResult;
  if (result.token !== TOKEN) throw new Error('the result has another token');
  return result;
}

async function eventsOf(folder: string): Promise<readonly JobEvent[]> {
  const text = await readFile(join(folder, 'events.jsonl'), 'utf8').catch(() => '');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as JobEvent);
}
