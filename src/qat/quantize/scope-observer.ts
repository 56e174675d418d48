// Runs a scope in FLOAT, on the quantised scopes that it stands on, and gathers what its activations showed. Which data, and
// when to stop, is the caller's; scales come later, without data.
import type { LayerUnit, Network } from '../network/network.ts';
import { buildReference } from '../network/reference.ts';
import type { ScopeForward } from '../network/reference.ts';
import { encodeModel } from '../onnx/codec.ts';
import { createSession } from '../runtime/onnxruntime.ts';
import type { Session } from '../runtime/onnxruntime.ts';
import { InputMeans, kernelOf } from '../transform/input-means.ts';
import type { Tensor } from '../../support/tensor.ts';
import { Observation } from './observation.ts';

export interface ScopeToObserve {
  readonly network: Network;
  /** The scope in FLOAT, and what it stands on. */
  readonly scopes: ReadonlyMap<string, ScopeForward>;
  /** Values to observe. */
  readonly values: readonly string[];
  /** Layers whose mean inputs are kept, for bias correction. */
  readonly layers: readonly LayerUnit[];
  readonly batch: number;
  readonly threads: number;
}

export interface Observed {
  readonly activations: ReadonlyMap<string, Observation>;
  /** Quantiser of the layer's weight → mean input under every tap of its kernel, [C, kH, kW]; [C] where there is no kernel. */
  readonly inputMeans: ReadonlyMap<string, Tensor>;
}

export class ScopeObserver {
  private readonly image: string;
  private readonly session: Session | undefined;
  private readonly activations: ReadonlyMap<string, Observation>;
  private readonly means: ReadonlyMap<LayerUnit, InputMeans>;

  private constructor({ network, values, layers }: ScopeToObserve, session: Session | undefined) {
    this.image = network.input.name;
    this.session = session;
    this.activations = new Map(values.map((value) => [value, new Observation()]));
    this.means = new Map(layers.map((unit) => [unit, new InputMeans(unit, kernelOf(network, unit))]));
  }

  static async start(what: ScopeToObserve): Promise<ScopeObserver> {
    const { network, scopes, values, layers, batch, threads } = what;
    const outputs = [...new Set([...values, ...layers.map(({ input }) => input)])];
    // A head of one layer has no quantiser of its own: it reads a boundary, and its output stays float.
    if (outputs.length === 0) return new ScopeObserver(what, undefined);
    const graph = buildReference(network, { scopes, outputs, batch });
    return new ScopeObserver(what, await createSession(encodeModel(graph), { threads, optimisation: 'disabled' }));
  }

  /** @param images [N, C, H, W], N the batch. @param weight how often the batch counts. */
  async observe(images: Tensor, weight: number): Promise<void> {
    const seen = await this.session?.run(new Map([[this.image, images]]));
    for (const [value, observation] of this.activations)
      observation.observe(seen?.get(`out.${value}`)?.data as Float32Array, weight);
    for (const [unit, means] of this.means) means.observe(seen?.get(`out.${unit.input}`) as Tensor, weight);
  }

  observed(): Observed {
    const inputMeans = new Map([...this.means].map(([{ quantiser }, means]) => [quantiser, means.means()]));
    return { activations: this.activations, inputMeans };
  }

  async release(): Promise<void> {
    await this.session?.release();
  }
}
