// What most tests of the jobs start from: tiny data, the model, trained float scopes, calibrated scopes and a merged model,
// each made by the jobs themselves when first asked for, once in a run of the tests.
import { join } from 'node:path';
import { writePackedDataset } from '../../src/data/packed-dataset.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { calibrate, exportOrder, merge, modelOrder, TASKS, train, training, w8a8 } from './orders.ts';
import type { Inputs, Task } from './orders.ts';
import { madeOnce } from './made-once.ts';
import { tinyDataset } from './tiny-data.ts';
import { WorkerRig } from './worker-rig.ts';

/** Enough for both heads to see something; a few hundred milliseconds. */
const FLOAT = training(12, 0.02);

export class World {
  readonly rig: WorkerRig;
  readonly trainData: string;
  readonly gateData: string;
  private readonly made = new Map<string, Promise<{ readonly [port: string]: string }>>();

  private constructor(rig: WorkerRig, trainData: string, gateData: string) {
    this.rig = rig;
    this.trainData = trainData;
    this.gateData = gateData;
  }

  static async start(): Promise<World> {
    const rig = await WorkerRig.start();
    const [trainData, gateData] = [join(rig.root, 'data-train'), join(rig.root, 'data-gate')];
    await writePackedDataset(trainData, tinyDataset('train', 64, 1));
    await writePackedDataset(gateData, tinyDataset('gate', 32, 2));
    return new World(rig, trainData, gateData);
  }

  remove(): Promise<void> {
    return this.rig.remove();
  }

  /** Model and data, under the ports of a training stage. */
  async base(): Promise<Inputs> {
    return {
      model: await this.model(),
      'data[train]': this.trainData,
      'data[gate]': this.gateData,
    };
  }

  async calibrationBase(): Promise<Inputs> {
    return { model: await this.model(), 'data[calibration]': this.trainData };
  }

  async gateBase(): Promise<Inputs> {
    return { model: await this.model(), 'data[gate]': this.gateData };
  }

  /** The gate data under the ports of stages that look at all tasks. */
  taskData(): Inputs {
    return Object.fromEntries(TASKS.map((task) => [`data[${task}.gate]`, this.gateData]));
  }

  model(): Promise<string> {
    return this.once('model', 'model', async () => modelOrder);
  }

  /** The float backbone, trained through the detection head. */
  backbone(): Promise<string> {
    return this.once('trunk', 'backbone', async () =>
      train(['backbone', 'head'], 'detection', await this.base(), { training: FLOAT }),
    );
  }

  async head(task: Task): Promise<string> {
    if (task === 'detection') {
      await this.backbone();
      return this.once('trunk', 'head', () => Promise.reject(new Error('made with the backbone')));
    }
    return this.once('segmentation', 'head', async () =>
      train(['head'], task, { ...(await this.base()), backbone: await this.backbone() }, { training: FLOAT }),
    );
  }

  calibratedBackbone(profile: JsonObject = w8a8): Promise<string> {
    return this.once(`backbone ${JSON.stringify(profile)}`, 'backbone', async () =>
      calibrate(
        'backbone',
        'detection',
        { ...(await this.calibrationBase()), backbone: await this.backbone() },
        { profile },
      ),
    );
  }

  calibratedHead(task: Task, profile: JsonObject = w8a8): Promise<string> {
    return this.once(`${task} ${JSON.stringify(profile)}`, 'head', async () =>
      calibrate(
        'head',
        task,
        {
          ...(await this.calibrationBase()),
          backbone: await this.calibratedBackbone(profile),
          head: await this.head(task),
        },
        { profile },
      ),
    );
  }

  async mergeInputs(profile: JsonObject = w8a8): Promise<Inputs> {
    return {
      model: await this.model(),
      ...this.taskData(),
      backbone: await this.calibratedBackbone(profile),
      'heads[detection]': await this.calibratedHead('detection', profile),
      'heads[segmentation]': await this.calibratedHead('segmentation', profile),
    };
  }

  merged(profile: JsonObject = w8a8): Promise<string> {
    return this.once(`merged ${JSON.stringify(profile)}`, 'merged', async () => merge(await this.mergeInputs(profile)));
  }

  exported(profile: JsonObject = w8a8): Promise<string> {
    return this.once(`exported ${JSON.stringify(profile)}`, 'onnx', async () =>
      exportOrder({ ...this.taskData(), merged: await this.merged(profile) }),
    );
  }

  private async once(
    name: string,
    port: string,
    order: () => Promise<Parameters<WorkerRig['outputs']>[0]>,
  ): Promise<string> {
    const making = this.made.get(name) ?? order().then((made) => madeOnce(this.rig, made));
    this.made.set(name, making);
    return (await making)[port] as string;
  }
}
