// Headgate's side of the race: compiles one network's training program and takes steps when told. One line of JSON in, one
// out: {"steps": n} → {"ms": milliseconds, "mebibytes": peak resident memory, "now": resident memory}.
//
//   arm(network, { state: "FLOAT" | "QAT", scales: "fixed" | "follow", threads })
import { createInterface } from 'node:readline';
import { decodeModel } from '../../src/qat/onnx/codec.ts';
import { networkOf, BACKBONE } from '../../src/qat/network/network.ts';
import { placeQuantizers } from '../../src/qat/quantize/placement.ts';
import type { Profile } from '../../src/qat/quantize/scheme.ts';
import { compileProgram } from '../../src/qat/train/program.ts';
import type { TrainState } from '../../src/qat/train/forward.ts';
import type { OptimizerSettings } from '../../src/qat/train/optimizer.ts';
import { Trainer } from '../../src/qat/train/trainer.ts';
import type { FloatTensor, Tensor } from '../../src/support/tensor.ts';
import { Random } from '../../src/support/random.ts';
import { deep, graphOf, networks, OUTPUT, small } from './networks.ts';

export interface Arm {
  readonly network: string;
  readonly state: 'FLOAT' | 'QAT';
  /** Of QAT: batch norm trains and ranges follow, or both are frozen. */
  readonly phase: 'follow' | 'fixed';
  readonly threads: number;
}

const profile: Profile = { weights: { bits: 8 }, activations: { bits: 8, unsignedAfterRelu: false } };
const optimizer: OptimizerSettings = { kind: 'sgd', weightDecay: 1e-4, momentum: 0.9 };
const RATES = { learningRate: 1e-3, averagingConstant: 0.01 };

/** Answers on standard output until standard input ends. */
export async function runArm({ network: name, state, phase, threads }: Arm): Promise<void> {
  const started = performance.now();
  const { program, data, nodes, ...initial } = await prepareProgram(name, state, phase);
  const prepared = performance.now();
  const trainer = await Trainer.start(program, optimizer, threads, initial);
  const ready = performance.now();
  const sizes = { nodes, trainingNodes: decodeModel(program.model).nodes.length };
  answer({
    ready: true,
    compileMs: ready - started,
    programMs: prepared - started,
    sessionMs: ready - prepared,
    ...sizes,
  });
  for await (const line of createInterface({ input: process.stdin })) {
    const { steps = 0 } = JSON.parse(line) as { steps?: number };
    const before = performance.now();
    for (let step = 0; step < steps; step++) await trainer.step(data, RATES);
    const ms = performance.now() - before;
    answer({ ms, mebibytes: process.resourceUsage().maxRSS / 1024, now: process.memoryUsage().rss / 2 ** 20 });
  }
}

function answer(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

export async function prepareProgram(name: string, state: Arm['state'], phase: Arm['phase']) {
  const race = [...networks, deep, small].find((candidate) => candidate.name === name);
  if (race === undefined) throw new Error(`no network "${name}"`);
  const graph = graphOf(race);
  const network = networkOf(graph);
  const scopeNames = [BACKBONE, 'dense'];
  const batchNorm = state === 'QAT' && phase === 'fixed' ? 'frozen' : 'train';
  const scopes = new Map(scopeNames.map((scope): [string, TrainState] => [scope, { state, trained: true, batchNorm }]));
  const placement = placeQuantizers(
    network,
    new Map(state === 'QAT' ? scopeNames.map((scope) => [scope, profile]) : []),
  );
  const ranges = new Map([...placement.ranges.keys()].map((value) => [value, { min: -4, max: 4, scale: 4 / 127 }]));
  const parameters = new Map(
    network.parameters.map(({ name: key }) => [key, graph.initializers.get(key) as FloatTensor]),
  );
  const [, height, width] = race.input;
  const target = [race.batch, height / race.stride, width / race.stride];
  const program = await compileProgram({
    network,
    scopes,
    placement,
    constants: new Map(),
    ranges,
    activationScales: phase,
    losses: [{ kind: 'cross-entropy', output: OUTPUT, target: 'target', ignore: 255, weight: 1 }],
    targets: [{ name: 'target', dtype: 'int32', shape: target }],
    batch: race.batch,
    boundaryShapes: new Map(),
    optimizer,
    momentum: 0.1,
  });
  const random = new Random(2);
  const image = [race.batch, ...race.input];
  const size = (shape: readonly number[]): number => shape.reduce((product, side) => product * side, 1);
  const data = new Map<string, Tensor>([
    [
      'image',
      { dtype: 'float32', shape: image, data: Float32Array.from({ length: size(image) }, () => random.normal()) },
    ],
    [
      'target',
      {
        dtype: 'int32',
        shape: target,
        data: Int32Array.from({ length: size(target) }, () => random.below(race.classes)),
      },
    ],
  ]);
  return { program, parameters, ranges, data, nodes: graph.nodes.length };
}
