// A reference forward kept ready to run: some scopes of a network, each in its state, unoptimised, fixed batch and threads.
import { BACKBONE } from '../../qat/network/network.ts';
import type { Network } from '../../qat/network/network.ts';
import { buildReference } from '../../qat/network/reference.ts';
import type { ScopeForward } from '../../qat/network/reference.ts';
import { encodeModel } from '../../qat/onnx/codec.ts';
import { createSession } from '../../qat/runtime/onnxruntime.ts';
import type { Session } from '../../qat/runtime/onnxruntime.ts';
import type { Tensor } from '../../support/tensor.ts';

export interface RunnerRequest {
  readonly network: Network;
  readonly scopes: ReadonlyMap<string, ScopeForward>;
  readonly outputs: readonly string[];
  readonly batch: number;
  readonly threads: number;
  readonly boundaryShapes?: ReadonlyMap<string, readonly number[]>;
  readonly only?: ReadonlySet<string>;
}

export class ForwardRunner {
  private readonly session: Session;
  private readonly outputs: readonly string[];

  private constructor(session: Session, outputs: readonly string[]) {
    this.session = session;
    this.outputs = outputs;
  }

  static async start(request: RunnerRequest): Promise<ForwardRunner> {
    const graph = buildReference(request.network, request);
    const session = await createSession(encodeModel(graph), { threads: request.threads, optimisation: 'disabled' });
    return new ForwardRunner(session, request.outputs);
  }

  /** Image or boundary tensors in, the asked values out, under their names in the float graph. */
  async run(feeds: ReadonlyMap<string, Tensor>): Promise<ReadonlyMap<string, Tensor>> {
    const results = await this.session.run(
      new Map([...feeds].filter(([name]) => this.session.inputNames.includes(name))),
    );
    return new Map(this.outputs.map((value) => [value, results.get(`out.${value}`) as Tensor]));
  }

  release(): Promise<void> {
    return this.session.release();
  }
}

/** The backbone alone, giving its boundary tensors. */
export function startBackbone(
  network: Network,
  forward: ScopeForward,
  batch: number,
  threads: number,
): Promise<ForwardRunner> {
  return ForwardRunner.start({
    network,
    scopes: new Map([[BACKBONE, forward]]),
    outputs: network.scopes.backbone.boundary,
    batch,
    threads,
  });
}

/** [C, H, W] of each boundary tensor, read off one run on zeros. */
export async function boundaryShapesOf(
  network: Network,
  backbone: ForwardRunner,
  batch: number,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const shape = [batch, ...network.input.shape];
  const zeros = new Float32Array(shape.reduce((product, size) => product * size, 1));
  const features = await backbone.run(new Map([[network.input.name, { dtype: 'float32', shape, data: zeros }]]));
  return new Map([...features].map(([name, tensor]) => [name, tensor.shape.slice(1)]));
}
