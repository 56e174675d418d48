// One random project, edited again and again: before every run the plan is asked for, after it everything is compared with
// the oracle.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stageId, type StageId } from '../../src/events/ids.ts';
import type { RunEvent } from '../../src/events/run-events.ts';
import { forecastRun, type StageForecast } from '../../src/execute/forecast.ts';
import { planUntil } from '../../src/execute/subplan.ts';
import { loadWorkflow } from '../../src/plan/load-workflow.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { LatestKeys } from '../../src/store/actions.ts';
import { openStore } from '../../src/store/store.ts';
import { Engine, ofType } from '../support/engine.ts';
import { causeFaults, forecastFaults, type Comparison } from './compare-runs.ts';
import { FILES, fileName, knobWord, paramName, type Drawing } from './drawing.ts';
import { edited, type Edit, type Project } from './edits.ts';
import { needed, Oracle, type KeyParts } from './oracle.ts';
import { pureJobs } from './pure-jobs.ts';
import { bareStages, workflowTexts } from './random-workflow.ts';

const [FILE] = FILES;
const CODE = { worker: 'test', onnxruntime: '0' };

export interface StepOutcome {
  readonly faults: readonly string[];
  readonly stages: number;
  /** Announced with certainty. */
  readonly sure: number;
}

export class EditSequence {
  private readonly engine: Engine;
  private readonly oracle = new Oracle();
  private project: Project;
  /** Of every stage, the parts of the key that it had last. */
  private readonly settled = new Map<string, KeyParts>();
  private objects: readonly string[] = [];

  private constructor(engine: Engine, project: Project) {
    this.engine = engine;
    this.project = project;
  }

  static async begin(drawing: Drawing): Promise<EditSequence> {
    const engine = await Engine.inNewFolder();
    const files = ['content 0', 'content 0'];
    for (const folder of ['data', 'parts']) mkdirSync(join(engine.root, folder));
    files.forEach((text, index) => writeFileSync(join(engine.root, fileName(index)), text));
    return new EditSequence(engine, { drawing, order: 0, indent: 2, files, lost: new Set(), added: 0 });
  }

  end(): Promise<void> {
    return this.engine.remove();
  }

  /** Edits, asks for the plan, runs, compares. Without an edit: the first run. */
  async step(edit?: Edit): Promise<StepOutcome> {
    const { root } = this.engine;
    if (edit !== undefined) this.project = edited(this.project, edit, root, this.objects);
    const { drawing, order, indent, files, lost } = this.project;
    for (const [path, text] of workflowTexts(drawing, order, indent)) writeFileSync(join(root, path), text);
    const whole = await this.load();
    if (typeof whole === 'string') return { faults: [`it does not plan: ${whole}`], stages: 0, sure: 0 };

    const all = bareStages(drawing);
    const programs = all.filter(({ kind }) => kind === 'job');
    const named = edit === undefined ? undefined : programs[edit.at % programs.length]?.id;
    const until = edit?.what === 'only until a stage' ? named : undefined;
    const forced = new Set(edit?.what === 'a stage forced' && named !== undefined ? [named] : []);
    const targets = whole.stages.filter(({ id }) => String(id) === until);
    const plan = until === undefined ? whole : planUntil(whole, targets);
    const bare = until === undefined ? all : needed(all, until);

    const texts = new Map(files.map((text, index) => [fileName(index), text]));
    const predicted = this.oracle.predict(bare, texts, forced, lost);
    const ids = new Set([...forced].map(stageId));
    const foreseen = await this.forecast(plan, ids);
    const jobs = pureJobs();
    const { events, outcome } = await this.engine.run(plan, { executor: jobs.executor, forced: ids });

    const comparison: Comparison = {
      bare,
      predicted,
      ran: jobs.ran,
      events,
      foreseen,
      forced,
      settled: this.settled,
    };
    const faults = [
      ...this.runFaults(comparison, outcome.outcome),
      ...forecastFaults(comparison),
      ...causeFaults(comparison),
    ];
    this.remember(comparison);
    const sure = foreseen.filter(({ will }) => will !== 'unknown' && will !== 'run-unless-unchanged').length;
    return { faults, stages: foreseen.length, sure };
  }

  private async load(): Promise<Plan | string> {
    const set = this.project.drawing.params.map((knob, index) => `${paramName(index)}=${knobWord(knob)}`);
    const { root } = this.engine;
    const loaded = await loadWorkflow(join(root, FILE), { root, set });
    if (!loaded.ok) return loaded.error.map(({ code, message }) => `${code} ${message}`).join('; ');
    return { ...loaded.value, workflow: FILE };
  }

  private async forecast(plan: Plan, forced: ReadonlySet<StageId>): Promise<readonly StageForecast[]> {
    const store = openStore(this.engine.root);
    const latest = await LatestKeys.open(store.layout, plan.workflow);
    return forecastRun({ plan, store, latest, code: CODE, forced });
  }

  private runFaults({ predicted, ran }: Comparison, outcome: string): readonly string[] {
    const ends = [...(predicted.stops ? ['stopped'] : []), ...(predicted.fails.size > 0 ? ['failed'] : [])];
    const expected = ends.length > 0 ? ends : ['succeeded'];
    const counts = new Map<string, number>();
    for (const id of ran) counts.set(id, (counts.get(id) ?? 0) + 1);
    return [
      ...(expected.includes(outcome) ? [] : [`the run ${outcome}, not ${expected.join(' or ')}`]),
      ...[...counts].filter(([, count]) => count > 1).map(([id, count]) => `${id} ran ${count} times`),
      ...[...counts.keys()].filter((id) => !predicted.runs.has(id)).map((id) => `${id} ran without need`),
      // What a stop or a failure leaves undone is undone.
      ...[...predicted.runs.keys()]
        .filter((id) => ends.length === 0 && !counts.has(id))
        .map((id) => `${id} did not run in spite of need`),
    ];
  }

  private remember({ predicted, ran, events }: Comparison): void {
    const really = [...predicted.runs].filter(([id]) => ran.includes(id)).map(([, made]) => made);
    this.project = { ...this.project, lost: this.oracle.commit(really, this.project.lost) };
    this.objects = predicted.objects;
    for (const id of endedWell(events)) {
      const parts = predicted.keys.get(id);
      if (parts !== undefined) this.settled.set(id, parts);
    }
  }
}

function endedWell(events: readonly RunEvent[]): readonly string[] {
  return [...ofType(events, 'stage-succeeded'), ...ofType(events, 'stage-restored')].map(({ stage }) => String(stage));
}
