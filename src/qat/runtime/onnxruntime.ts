// The only door to onnxruntime-node: sessions over model bytes, tensors in and out. `run` blocks its thread: never use
// it in the engine's process.
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import type { DType, Tensor, TensorData } from '../../support/tensor.ts';

export interface SessionOptions {
  /** Fixed by the workflow: sums of some kernels depend on it. */
  readonly threads: number;
  /** `disabled` is the reference; `all` is used for training graphs and the integer runtime. */
  readonly optimisation: 'disabled' | 'basic' | 'extended' | 'all';
  /**
   * Leaves int8 activations as they are (session.qdqisint8allowed). By default onnxruntime makes them uint8 on x64, where they
   * have one reader: kernels for uint8 saturate on processors without VNNI, and layers between int8 and uint8 stay float.
   */
  readonly int8Activations?: boolean;
  /** Where the runtime writes the graph that it made of the model. */
  readonly optimisedModelPath?: string;
}

export interface Session {
  readonly inputNames: readonly string[];
  readonly outputNames: readonly string[];
  run(feeds: Feeds, fetches?: readonly string[]): Promise<ReadonlyMap<string, Tensor>>;
  release(): Promise<void>;
}

export type Feeds = ReadonlyMap<string, Tensor>;

/** The runtime could not build a session from the model: its words, without its stack. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
}

// The library carries its vendor's telemetry client, which starts with the first session: it writes a log into the folder for
// temporary files and looks up a collector's address. It reads this when the session is made, in the main thread; in a worker
// thread only what the process was started with counts.
process.env['ORT_DISABLE_TELEMETRY'] = '1';

const dtypes: ReadonlySet<string> = new Set([
  'float32',
  'float64',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'int64',
]);

/** @throws RuntimeError when the runtime refuses the model. */
export async function createSession(model: Uint8Array, options: SessionOptions): Promise<Session> {
  const session = await InferenceSession.create(model, {
    executionProviders: ['cpu'],
    graphOptimizationLevel: options.optimisation,
    intraOpNumThreads: options.threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 3,
    // Waiting threads sleep: jobs share the machine, and spinning ones take the core from whoever they wait for.
    extra: {
      session: {
        intra_op: { allow_spinning: '0' },
        // Constant weights of some shapes are packed for a kernel that adds in another order; weights that a node makes, such as
        // an exported file's DequantizeLinear, are not. Unpacked, the reference and the file compute the same to the last bit.
        ...(options.optimisation === 'disabled' ? { disable_prepacking: '1' } : {}),
        ...(options.int8Activations === true ? { qdqisint8allowed: '1' } : {}),
      },
    },
    enableMemPattern: true,
    ...(options.optimisedModelPath === undefined ? {} : { optimizedModelFilePath: options.optimisedModelPath }),
  }).catch((cause: unknown) => {
    throw new RuntimeError(cause instanceof Error ? cause.message : String(cause));
  });
  return {
    inputNames: session.inputNames,
    outputNames: session.outputNames,
    async run(feeds, fetches) {
      const inputs: Record<string, OrtTensor> = {};
      for (const [name, tensor] of feeds)
        inputs[name] = new OrtTensor(tensor.dtype, tensor.data as Float32Array, tensor.shape);
      const results = fetches === undefined ? await session.run(inputs) : await session.run(inputs, [...fetches]);
      const outputs = new Map<string, Tensor>();
      for (const name of fetches ?? session.outputNames) outputs.set(name, fromOrt(name, results[name] as OrtTensor));
      return outputs;
    },
    release: () => session.release(),
  };
}

function fromOrt(name: string, tensor: OrtTensor): Tensor {
  const dtype = tensor.type === 'bool' ? 'uint8' : tensor.type;
  if (!dtypes.has(dtype)) throw new RuntimeError(`output "${name}" has element type ${tensor.type}`);
  return { dtype: dtype as DType, shape: tensor.dims, data: tensor.data as TensorData };
}
