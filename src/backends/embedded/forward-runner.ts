// A reference forward kept ready to run: some scopes of a network, each in its state, unoptimised, fixed batch and threads.
import { BACKBONE } from '../../qat/network/network.ts';
import type { Network } from '../../qat/network/network.ts';
import { buildReference } from '../../qat/network/reference.ts';
import type { OnlyQuantisers, ScopeForward } from '../../qat/network/reference.ts';
import { encodeModel } from '../../qat/onnx/codec.ts';
import { initialCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { createSession } from '../../qat/runtime/onnxruntime.ts';
import type { Session } from '../../qat/runtime/onnxruntime.ts';
import { zeros } from '../../support/tensor.ts';
import type { Tensor } from '../../support/tensor.ts';

export interface RunnerRequest {
  readonly network: Network;
  readonly scopes: ReadonlyMap<string, ScopeForward>;
  readonly outputs: readonly string[];
  readonly batch: number;
  readonly threads: number;
  readonly boundaryShapes?: ReadonlyMap<string, readonly number[]>;
  readonly only?: OnlyQuantisers;
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

/** Shapes of head outputs for one image, read off one run of the float model on zeros. */
export async function outputShapesOf(
  network: Network,
  heads: readonly string[],
  threads: number,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const float = (scope: string): ScopeForward => ({ state: 'FLOAT', checkpoint: initialCheckpoint(network, scope) });
  const runner = await ForwardRunner.start({
    network,
    scopes: new Map([BACKBONE, ...heads].map((scope) => [scope, float(scope)])),
    outputs: heads.flatMap((head) => network.scopes.heads[head]?.outputs ?? []),
    batch: 1,
    threads,
  });
  const outputs = await runner.run(new Map([[network.input.name, zeros([1, ...network.input.shape])]]));
  await runner.release();
  return new Map([...outputs].map(([name, tensor]) => [name, tensor.shape]));
}

/** [C, H, W] of each value that the runner returns, read off one run on zero images. */
export async function valueShapesOf(
  network: Network,
  runner: ForwardRunner,
  batch: number,
): Promise<ReadonlyMap<string, readonly number[]>> {
  const features = await runner.run(new Map([[network.input.name, zeros([batch, ...network.input.shape])]]));
  return new Map([...features].map(([name, tensor]) => [name, tensor.shape.slice(1)]));
}
