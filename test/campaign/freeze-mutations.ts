// The kinds of mutation of the freeze campaign: each makes one thing of a frozen scope other than it was, in one of the places
// where headgate proves it, and says which tensors (or facts) the diagnostic must name.
import type { ParameterRole } from '../../src/qat/network/network.ts';
import type { ScopeForward } from '../../src/qat/network/reference.ts';
import { decodeModel, encodeModel } from '../../src/qat/onnx/codec.ts';
import { decodeCheckpoint, encodeCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../src/qat/quantize/checkpoint.ts';
import type { TrainingProgram } from '../../src/qat/train/program.ts';
import { floatTensor } from '../../src/support/tensor.ts';
import type { FloatTensor, Tensor } from '../../src/support/tensor.ts';
import type { Random } from '../../src/support/random.ts';
import type { JobFailure } from '../../src/events/job-protocol.ts';
import { HEAD } from './freeze-world.ts';
import type { FreezeWorld, Step } from './freeze-world.ts';

export interface Outcome {
  readonly failure: JobFailure | undefined;
  /** What must be named. */
  readonly expected: ReadonlySet<string>;
  /** Whether all of it must be, or one is enough (outputs of a probe hide some). */
  readonly complete: boolean;
}

type Mutation = (world: FreezeWorld, random: Random) => Promise<Outcome>;
type Mutate = (checkpoint: ScopeCheckpoint, random: Random, world: FreezeWorld) => ScopeCheckpoint;

export const mutations: { readonly [kind: string]: Mutation } = {
  'one ulp of a weight': held(oneUlp('weight')),
  'one ulp of a bias': held(oneUlp('bias')),
  'one ulp of a BN gamma': held(oneUlp('gamma')),
  'one ulp of a BN beta': held(oneUlp('beta')),
  'one ulp of a BN mean': held(oneUlp('mean')),
  'one ulp of a BN variance': held(oneUlp('variance')),
  'one ulp of an observer’s min': quantised(ulpOf(/^activation\..*\.min$/)),
  'one ulp of an observer’s max': quantised(ulpOf(/^activation\..*\.max$/)),
  'one ulp of an activation scale': quantised(ulpOf(/^activation\..*\.scale$/)),
  'one ulp of a weight scale': quantised(ulpOf(/^weight\..*\.scale$/)),
  'the sign of one value': held(flip(/^parameter\./, 31)),
  'a tensor lost': held(withTensors((tensors, random) => tensors.delete(pick(random, [...tensors.keys()], /^param/)))),
  'a tensor added': held(withTensors((tensors) => tensors.set('parameter.new', floatTensor([1], new Float32Array(1))))),
  'a tensor in another shape': held(
    withTensors((tensors, random) => {
      const name = pick(random, [...tensors.keys()], /^parameter\..*weight$/);
      const { data } = tensors.get(name) as FloatTensor;
      tensors.set(name, floatTensor([data.length], data));
    }),
  ),
  'two tensors of one shape swapped': held(withTensors(swapTwo)),
  'scopes swapped': async (world) => {
    const swapped = world.scopes.get('segmentation') as ScopeCheckpoint;
    return judged(world.backbone, swapped, await world.proveBackbone({ state: 'VALIDATION', checkpoint: swapped }));
  },
  'another number format': quantised((checkpoint) => {
    const quant = checkpoint.quant as NonNullable<ScopeCheckpoint['quant']>;
    const bits = quant.profile.weights.bits === 8 ? 4 : 8;
    return { ...checkpoint, quant: { ...quant, profile: { ...quant.profile, weights: { bits } } } };
  }),
  'the state QAT for calibrated': quantised((checkpoint) => ({ ...checkpoint, state: 'qat' })),
  'a head of another backbone': async (world) => {
    const head = world.scopes.get(HEAD) as ScopeCheckpoint;
    return inMerge(world, { ...head, backbone: head.graph });
  },
  'batch norm in training mode': moved({ batchNorm: 'train' }),
  'averaging_constant 0.01': moved({ averagingConstant: 0.01 }),
  'weight decay': moved({ optimizer: { kind: 'adamw', weightDecay: 0.01 }, learningRate: 1e-3 }),
  'leftover momentum': moved({ learningRate: 1e-3, leftoverMomentum: 1e-3 }),
  'the state FLOAT for VALIDATION': async (world) => ({
    failure: await world.proveBackbone({ state: 'FLOAT', checkpoint: world.backbone }),
    ...exactly('state'),
  }),
  'outputs of a graph that ran in FLOAT': (world) => onProbe(world, { state: 'FLOAT', checkpoint: world.backbone }),
  'outputs of a graph with another scale': (world, random) => {
    const checkpoint = withTensors((tensors) => {
      const name = pick(random, [...tensors.keys()], /^activation\..*\.scale$/);
      tensors.set(name, floatTensor([1], Float32Array.of(1.5 * ((tensors.get(name) as Tensor).data[0] as number))));
    })(world.backbone, random, world);
    return onProbe(world, { state: 'VALIDATION', checkpoint });
  },
  'a gradient of a frozen parameter': async (world, random) => {
    const name = pick(random, [...world.backbone.parameters.keys()]);
    const right: ScopeForward = { state: 'VALIDATION', checkpoint: world.backbone };
    return { failure: await world.proveBackbone(right, right, [name]), ...exactly(name) };
  },
  'one ulp of a constant of the training graph': async (world, random) => {
    const name = pick(random, [...world.floatHead.parameters.keys()]);
    const change = (program: TrainingProgram): Partial<TrainingProgram> => ({
      model: withUlp(program.model, program.frozenInitializers.get(name) as string, random),
    });
    return { failure: await world.proveHead(world.floatHead, change), ...exactly(name) };
  },
  'a frozen head run with batch statistics': async (world) => ({
    failure: await world.proveHead(world.floatHead, ({ states }) => ({
      states: new Map([...states, [HEAD, { state: 'FLOAT', trained: false, batchNorm: 'train' }]]),
    })),
    ...exactly('state'),
  }),
};

function exactly(...names: readonly string[]): Omit<Outcome, 'failure'> {
  return { expected: new Set(names), complete: true };
}

/** In a scope that any of the three places holds: the backbone of a stage, the head in a training graph, a merged scope. */
function held(mutate: Mutate): Mutation {
  return async (world, random) => {
    if (random.below(3) > 0) return quantised(mutate)(world, random);
    const wrong = mutate(world.floatHead, random, world);
    return judged(world.floatHead, wrong, await world.proveHead(wrong));
  };
}

/** In a scope that has scales. */
function quantised(mutate: Mutate): Mutation {
  return async (world, random) => {
    if (random.below(2) === 0) return inMerge(world, mutate(pick(random, [...world.scopes.values()]), random, world));
    const wrong = mutate(world.backbone, random, world);
    return judged(world.backbone, wrong, await world.proveBackbone({ state: 'VALIDATION', checkpoint: wrong }));
  };
}

/** What a stage leaves that steps, at learning rate 0 and with nothing to learn, but for `wrong`. */
function moved(wrong: Partial<Step>): Mutation {
  const still: Step = {
    batchNorm: 'frozen',
    optimizer: { kind: 'sgd', weightDecay: 0, momentum: 0.9 },
    learningRate: 0,
    averagingConstant: 0,
  };
  return async (world, random) => {
    const after = await world.backboneAfter({ ...still, ...wrong }, random.below(1000));
    return judged(world.backbone, after, await world.proveBackbone({ state: 'VALIDATION', checkpoint: after }));
  };
}

async function inMerge(world: FreezeWorld, wrong: ScopeCheckpoint): Promise<Outcome> {
  const before = world.scopes.get(wrong.scope) as ScopeCheckpoint;
  const merged = world.forwards().set(wrong.scope, { state: 'VALIDATION', checkpoint: wrong });
  return judged(before, wrong, await world.proveMerge(merged));
}

async function onProbe(world: FreezeWorld, ran: ScopeForward): Promise<Outcome> {
  const right: ScopeForward = { state: 'VALIDATION', checkpoint: world.backbone };
  const expected = new Set(world.network.scopes.backbone.boundary);
  return { failure: await world.proveBackbone(right, ran), expected, complete: false };
}

/** By another way than the proof's: 32-bit words side by side. */
function judged(before: ScopeCheckpoint, after: ScopeCheckpoint, failure: JobFailure | undefined): Outcome {
  const [left, right] = [encodeCheckpoint(before), encodeCheckpoint(after)];
  const words = (tensor: Tensor | undefined): string =>
    tensor === undefined
      ? 'none'
      : `${tensor.shape.join()}:${new Uint32Array((tensor.data as Float32Array).slice().buffer).join()}`;
  const names = new Set([...left.tensors.keys(), ...right.tensors.keys()]);
  const different = [...names].filter((name) => words(left.tensors.get(name)) !== words(right.tensors.get(name)));
  const facts = ['scope', 'state', 'graph', 'profile', 'backbone'];
  const others = facts.filter((fact) => left.metadata[fact] !== right.metadata[fact]);
  return { failure, ...exactly(...different, ...others) };
}

function oneUlp(role: ParameterRole): Mutate {
  return (checkpoint, random, world) => {
    const ofRole = world.network.parameters.filter((parameter) => parameter.role === role);
    const names = ofRole.map(({ name }) => `parameter.${name}`);
    return flip(new RegExp(`^(${names.map((name) => name.replaceAll('.', '\\.')).join('|')})$`), 0)(
      checkpoint,
      random,
      world,
    );
  };
}

function ulpOf(names: RegExp): Mutate {
  return flip(names, 0);
}

/** One bit of one value: 0 is the last of the mantissa, 31 the sign. */
function flip(names: RegExp, bit: number): Mutate {
  return withTensors((tensors, random) => {
    const name = pick(random, [...tensors.keys()], names);
    const tensor = tensors.get(name) as FloatTensor;
    tensors.set(name, floatTensor(tensor.shape, flipped(tensor.data, random, bit)));
  });
}

function flipped(values: Float32Array, random: Random, bit: number): Float32Array {
  const data = values.slice();
  const words = new Uint32Array(data.buffer);
  const index = random.below(words.length);
  words[index] = ((words[index] as number) ^ (1 << bit)) >>> 0;
  return data;
}

function withTensors(change: (tensors: Map<string, Tensor>, random: Random) => unknown): Mutate {
  return (checkpoint, random) => {
    const { tensors, metadata } = encodeCheckpoint(checkpoint);
    const changed = new Map(tensors);
    change(changed, random);
    return decodeCheckpoint({ tensors: changed, metadata });
  };
}

function swapTwo(tensors: Map<string, Tensor>, random: Random): void {
  const parameters = [...tensors].filter(([name]) => name.startsWith('parameter.'));
  const [first, tensor] = pick(
    random,
    parameters.filter(([name, { shape }]) =>
      parameters.some(([other, t]) => other !== name && t.shape.join() === shape.join()),
    ),
  );
  const [second, other] = pick(
    random,
    parameters.filter(([name, { shape }]) => name !== first && shape.join() === tensor.shape.join()),
  );
  tensors.set(first, other).set(second, tensor);
}

function withUlp(model: Uint8Array, initializer: string, random: Random): Uint8Array {
  const graph = decodeModel(model);
  const tensor = graph.initializers.get(initializer);
  if (tensor === undefined) throw new Error(`the training graph has no constant ${initializer}`);
  const data = flipped(tensor.data as Float32Array, random, 0);
  return encodeModel({ ...graph, initializers: new Map([...graph.initializers, [initializer, { ...tensor, data }]]) });
}

function pick<T>(random: Random, items: readonly T[]): T;
function pick(random: Random, items: readonly string[], among: RegExp): string;
function pick<T>(random: Random, items: readonly T[], among?: RegExp): T {
  const fitting = among === undefined ? items : items.filter((item) => among.test(String(item)));
  if (fitting.length === 0) throw new Error(`nothing fits ${String(among)}`);
  return fitting[random.below(fitting.length)] as T;
}
