// The `dataset` job: makes one packed data set per split, from FashionScenes, an image folder or NPY arrays.
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { dataDoubts, normalisationNotes } from '../../../data/data-doubts.ts';
import { DataError } from '../../../data/data-error.ts';
import type { Dataset } from '../../../data/dataset.ts';
import { withDerivedTargets } from '../../../data/derived-targets.ts';
import type { DerivedTarget } from '../../../data/derived-targets.ts';
import { loadFashionMnist } from '../../../data/fashion-mnist.ts';
import { SceneComposer, defaultSceneSettings, splitItems } from '../../../data/fashion-scenes.ts';
import type { SceneSettings } from '../../../data/fashion-scenes.ts';
import { openDescribedDataset } from '../../../data/described-dataset.ts';
import { writePackedDataset } from '../../../data/packed-dataset.ts';
import { SeenImages } from '../../../data/seen-images.ts';
import type { JobRequest } from '../../../events/job-protocol.ts';
import type { JsonObject } from '../../../support/json.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';
import { readDatasetSettings } from './dataset-settings.ts';
import type { DatasetSettings, DescribedSource, ScenesSource, SplitSettings } from './dataset-settings.ts';

/** Scenes between two looks at the clock and at the engine's wish to stop. */
const scenesPerStep = 500;

/** Outputs: one port per split that the settings name. @throws DataError */
export async function runDataset(request: JobRequest, context: JobContext): Promise<JobOutcome> {
  const settings = readDatasetSettings(request.settings);
  return settings.source.kind === 'fashion-scenes'
    ? makeScenes(settings.source, settings, request, context)
    : makeDescribed(settings.source, settings, request, context);
}

async function makeScenes(
  source: ScenesSource,
  { splits, derive }: DatasetSettings,
  request: JobRequest,
  context: JobContext,
): Promise<JobOutcome> {
  const given = request.inputs['folder']?.path ?? source.folder;
  const data = await loadFashionMnist({
    cacheFolder: cacheFolder(),
    download: source.download,
    ...(given === undefined ? {} : { folder: given }),
  });
  if (given !== undefined && data.source !== 'the given folder') {
    const why = data.failedWays[0] ?? '';
    context.emit({ type: 'note', level: 'warning', text: `Fashion-MNIST is from ${data.source} instead (${why})` });
  }
  context.emit({ type: 'note', level: 'info', text: `Fashion-MNIST from ${data.source}, SHA-256 verified` });
  const scene: SceneSettings = { ...defaultSceneSettings, ...source.scene };
  const total = splits.reduce((sum, split) => sum + (split.count ?? 0), 0);
  const pace = new Pace(total, context);
  const made = new Made(derive);
  for (const split of splits) {
    const composer = new SceneComposer(splitItems(data, split.name), split.name, split.count ?? 0, request.seed, scene);
    while (composer.done < composer.count) {
      if (context.interrupted()) return { status: 'interrupted' };
      const before = composer.done;
      composer.advance(scenesPerStep);
      pace.add(composer.done - before);
      await nextTurn();
    }
    await made.add(context, split, composer.dataset());
  }
  return made.outcome({ source: data.source });
}

async function makeDescribed(
  source: DescribedSource,
  { splits, derive }: DatasetSettings,
  request: JobRequest,
  context: JobContext,
): Promise<JobOutcome> {
  const folder = request.inputs['folder']?.path ?? source.folder;
  if (folder === undefined) throw new DataError("the job has no input 'folder'");
  const made = new Made(derive);
  for (const [index, split] of splits.entries()) {
    if (context.interrupted()) return { status: 'interrupted' };
    const options = { kind: source.kind, folder, description: source.description, split: split.from };
    const opened = await openDescribedDataset({
      ...options,
      ...(split.count === undefined ? {} : { limit: split.count }),
    });
    for (const text of opened.notes) context.emit({ type: 'note', level: 'warning', text: `${split.name}: ${text}` });
    await made.add(context, split, opened.dataset);
    context.emit({ type: 'progress', unit: 'step', done: index + 1, total: splits.length });
  }
  return made.outcome({});
}

/** The outputs written so far, and what a person wants to know of them. */
class Made {
  private readonly seen = new SeenImages();
  private readonly outputs: { [port: string]: string } = {};
  private readonly counts: { [split: string]: JsonObject } = {};
  private readonly derive: readonly DerivedTarget[];

  constructor(derive: readonly DerivedTarget[]) {
    this.derive = derive;
  }

  async add(context: JobContext, split: SplitSettings, composed: Dataset): Promise<void> {
    const dataset = withDerivedTargets(composed, this.derive);
    await mkdir(context.outDir, { recursive: true });
    await writePackedDataset(join(context.outDir, split.name), dataset);
    const doubts = [
      // One description stands for all splits, so these notes are told with the first.
      ...(Object.keys(this.outputs).length === 0 ? normalisationNotes(dataset) : []),
      ...dataDoubts(split.name, dataset),
      ...this.seen.add(split.name, dataset),
    ];
    for (const text of doubts) context.emit({ type: 'note', level: 'warning', text });
    this.outputs[split.name] = split.name;
    this.counts[split.name] = { images: dataset.count, targets: [...dataset.targets.keys()] };
  }

  outcome(more: JsonObject): JobOutcome {
    return { status: 'succeeded', outputs: this.outputs, summary: { ...more, splits: this.counts } };
  }
}

class Pace {
  private readonly total: number;
  private readonly context: JobContext;
  private readonly startedAt = performance.now();
  private done = 0;

  constructor(total: number, context: JobContext) {
    this.total = total;
    this.context = context;
  }

  add(scenes: number): void {
    this.done += scenes;
    const seconds = (performance.now() - this.startedAt) / 1000;
    const rate = seconds > 0 ? this.done / seconds : 0;
    const secondsLeft = rate > 0 ? { rate, secondsLeft: (this.total - this.done) / rate } : {};
    this.context.emit({ type: 'progress', unit: 'scene', done: this.done, total: this.total, ...secondsLeft });
  }
}

/** Fetched data outlives any one project's folder; HEADGATE_CACHE moves it. */
function cacheFolder(): string {
  const base = process.env['HEADGATE_CACHE'];
  if (base !== undefined && base !== '') return base;
  return join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'headgate');
}
