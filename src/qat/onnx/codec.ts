// ONNX bytes ↔ GraphIr. The only importer of protobufjs. Bounds are checked by the wire reader and again per tensor;
// what headgate does not understand (sub-graphs, external data, functions) is refused with the node's name.
import protobuf from 'protobufjs/light.js';
import { elementCount } from '../../support/tensor.ts';
import { objectBytes } from './decoded-size.ts';
import { wireInt64 } from './int64.ts';
import type { Attribute, GraphIr, IrNode, IrTensor, ValueInfo } from './ir.ts';
import { attributeTypes, dataTypeNumbers, onnxProto } from './proto.ts';
import { packTensor, unpackTensor } from './tensor-proto.ts';
import type { TensorProto } from './tensor-proto.ts';

const types = protobuf.Root.fromJSON(onnxProto);
const modelType = types.lookupType('ModelProto');
const tensorType = types.lookupType('TensorProto');

/** A model that cannot be read or is not supported: a user's problem, with its words. */
export class OnnxError extends Error {
  override readonly name: string = 'OnnxError';
}

interface AttributeProto {
  name: string;
  type: number;
  f: number;
  i: bigint;
  s: Uint8Array;
  t: TensorProto | null;
  floats: number[];
  ints: bigint[];
}
interface NodeProto {
  input: string[];
  output: string[];
  name: string;
  opType: string;
  domain: string;
  attribute: AttributeProto[];
}
interface ValueInfoProto {
  name: string;
  type: {
    tensorType: { elemType: number; shape: { dim: { dimValue: bigint; dimParam: string }[] } | null } | null;
  } | null;
}
/** Absent messages are null, absent scalars their defaults (protobufjs with `defaults`). */
interface ModelProto {
  opsetImport: { domain: string; version: bigint }[];
  metadataProps: { key: string; value: string }[];
  functions: Uint8Array[];
  graph: {
    name: string;
    node: NodeProto[];
    initializer: TensorProto[];
    input: ValueInfoProto[];
    output: ValueInfoProto[];
    sparseInitializer: Uint8Array[];
  } | null;
}

/** @throws OnnxError when the bytes are not an ONNX model that headgate can hold. */
export function decodeModel(bytes: Uint8Array): GraphIr {
  const model = readProto(bytes);
  const graph = model.graph;
  if (graph === null || graph.node.length === 0) throw new OnnxError('the file holds no ONNX graph');
  if (model.functions.length > 0)
    throw new OnnxError('the model defines functions of its own; inline them first (onnx.inliner)');
  if (graph.sparseInitializer.length > 0) throw new OnnxError('sparse initializers are not supported');
  const standard = model.opsetImport.find((entry) => entry.domain === '' || entry.domain === 'ai.onnx');
  if (standard === undefined) throw new OnnxError('the model imports no standard operator set');
  const initializers = new Map<string, IrTensor>();
  for (const proto of graph.initializer) initializers.set(proto.name, readTensor(proto, `initializer "${proto.name}"`));
  return {
    name: graph.name,
    opset: Number(standard.version),
    ...otherVersions(model),
    nodes: graph.node.map(readNode),
    inputs: graph.input.filter((value) => !initializers.has(value.name)).map(readValueInfo),
    outputs: graph.output.map(readValueInfo),
    initializers,
    metadata: Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value])),
  };
}

/** One tensor in a file of its own, as ONNX's test data holds them. @throws OnnxError when it is none. */
export function decodeTensor(bytes: Uint8Array): IrTensor {
  const proto = tensorType.toObject(tensorType.decode(bytes), { arrays: true, defaults: true, longs: BigInt });
  return readTensor(proto as TensorProto, 'the tensor');
}

export interface EncodeOptions {
  /** 'inferred': outputs are written without a type, for a runtime that infers it. */
  readonly outputTypes?: 'declared' | 'inferred';
}

/** Deterministic: equal graphs give equal bytes. */
export function encodeModel(graph: GraphIr, options: EncodeOptions = {}): Uint8Array {
  const domains = new Set(graph.nodes.map((node) => node.domain).filter((domain) => domain !== ''));
  return modelType
    .encode({
      irVersion: graph.opset >= 21 ? 10 : 8,
      producerName: 'headgate',
      opsetImport: [
        { domain: '', version: graph.opset },
        ...[...domains].sort().map((domain) => ({ domain, version: graph.domainVersions?.get(domain) ?? 1 })),
      ],
      metadataProps: Object.keys(graph.metadata)
        .sort()
        .map((key) => ({ key, value: graph.metadata[key] })),
      graph: {
        name: graph.name,
        node: graph.nodes.map(writeNode),
        initializer: [...graph.initializers].map(([name, tensor]) => ({ ...packTensor(tensor), name })),
        input: graph.inputs.map(writeValueInfo),
        output: graph.outputs.map((value) =>
          options.outputTypes === 'inferred' ? { name: value.name } : writeValueInfo(value),
        ),
      },
    })
    .finish();
}

function otherVersions({ opsetImport }: ModelProto): Pick<GraphIr, 'domainVersions'> {
  const found = opsetImport.filter(({ domain, version }) => domain !== '' && domain !== 'ai.onnx' && version !== 1n);
  if (found.length === 0) return {};
  return { domainVersions: new Map(found.map(({ domain, version }) => [domain, Number(version)])) };
}

/** Nodes, names and attributes may take so much, and beside it so many times the file. */
const FREE_OBJECT_BYTES = 256 * 2 ** 20;
const TIMES_FILE = 4;

function readProto(bytes: Uint8Array): ModelProto {
  const most = FREE_OBJECT_BYTES + TIMES_FILE * bytes.length;
  if (objectBytes(bytes, most) > most) {
    throw new OnnxError(
      `the file holds more nodes, names and attributes than a network of ${bytes.length} bytes has: they would take more than ${Math.ceil(most / 2 ** 20)} MiB; export the model again`,
    );
  }
  try {
    return modelType.toObject(modelType.decode(bytes), { arrays: true, defaults: true, longs: BigInt }) as ModelProto;
  } catch (cause) {
    throw new OnnxError(
      `the file is not a readable ONNX model: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
}

function readNode(proto: NodeProto, index: number): IrNode {
  const name = proto.name === '' ? `${proto.opType}_${index}` : proto.name;
  const attributes: { [name: string]: Attribute } = {};
  for (const attribute of proto.attribute) attributes[attribute.name] = readAttribute(attribute, name, proto.opType);
  const domain = proto.domain === 'ai.onnx' ? '' : proto.domain;
  return { op: proto.opType, domain, name, inputs: proto.input, outputs: proto.output, attributes };
}

function readAttribute(proto: AttributeProto, node: string, op: string): Attribute {
  switch (proto.type) {
    case attributeTypes.float:
      return { kind: 'float', value: proto.f };
    case attributeTypes.int:
      return { kind: 'int', value: Number(proto.i), ...(isExact(proto.i) ? {} : { exact: proto.i }) };
    case attributeTypes.string:
      return { kind: 'string', value: Buffer.from(proto.s).toString('utf8') };
    case attributeTypes.tensor:
      if (proto.t === null)
        throw new OnnxError(`attribute "${proto.name}" of node "${node}" (${op}) should hold a tensor and does not`);
      return { kind: 'tensor', value: readTensor(proto.t, `attribute "${proto.name}" of node "${node}"`) };
    case attributeTypes.floats:
      return { kind: 'floats', value: proto.floats };
    case attributeTypes.ints:
      return {
        kind: 'ints',
        value: proto.ints.map(Number),
        ...(proto.ints.every(isExact) ? {} : { exact: proto.ints }),
      };
    case attributeTypes.graph:
      throw new OnnxError(
        `node "${node}" (${op}) holds a sub-graph; control flow cannot be quantised: cut the model before it`,
      );
  }
  throw new OnnxError(
    `attribute "${proto.name}" of node "${node}" (${op}) has type ${proto.type}, which is not supported`,
  );
}

function readTensor(proto: TensorProto, what: string): IrTensor {
  if (proto.dataLocation === 1 || (proto.externalData?.length ?? 0) > 0) {
    throw new OnnxError(`${what} is stored in another file (external data); save the model as one file`);
  }
  const result = unpackTensor(proto);
  if (typeof result === 'string') throw new OnnxError(`${what} ${result}`);
  return result;
}

function readValueInfo(proto: ValueInfoProto): ValueInfo {
  const tensor = proto.type?.tensorType ?? undefined;
  const dtype = dtypeName(tensor?.elemType ?? 1);
  if (dtype === undefined)
    throw new OnnxError(`value "${proto.name}" has element type ${tensor?.elemType}, which is not supported`);
  const dims = tensor?.shape?.dim;
  if (dims === undefined) return { name: proto.name, dtype };
  const shape = dims.map((dim, axis) => {
    const size = Number(dim.dimValue);
    return size > 0 ? size : dim.dimParam !== '' ? dim.dimParam : `dim${axis}`;
  });
  return { name: proto.name, dtype, shape };
}

function writeNode(node: IrNode): object {
  const attribute = Object.keys(node.attributes)
    .sort()
    .map((name) => writeAttribute(name, node.attributes[name] as Attribute));
  return { input: node.inputs, output: node.outputs, name: node.name, opType: node.op, domain: node.domain, attribute };
}

function writeAttribute(name: string, attribute: Attribute): object {
  switch (attribute.kind) {
    case 'int':
      return { name, type: attributeTypes.int, i: wireInt64(attribute.exact ?? attribute.value) };
    case 'float':
      return { name, type: attributeTypes.float, f: attribute.value };
    case 'string':
      return { name, type: attributeTypes.string, s: Buffer.from(attribute.value, 'utf8') };
    case 'ints':
      return { name, type: attributeTypes.ints, ints: (attribute.exact ?? attribute.value).map(wireInt64) };
    case 'floats':
      return { name, type: attributeTypes.floats, floats: attribute.value };
    case 'tensor':
      return { name, type: attributeTypes.tensor, t: packTensor(attribute.value) };
  }
}

function writeValueInfo(value: ValueInfo): object {
  const dims = value.shape?.map((size) => (typeof size === 'number' ? { dimValue: size } : { dimParam: size }));
  const tensorType = {
    elemType: dataTypeNumbers[value.dtype],
    ...(dims === undefined ? {} : { shape: { dim: dims } }),
  };
  return { name: value.name, type: { tensorType } };
}

function dtypeName(number: number): ValueInfo['dtype'] | undefined {
  return (Object.keys(dataTypeNumbers) as ValueInfo['dtype'][]).find((name) => dataTypeNumbers[name] === number);
}

function isExact(value: bigint): boolean {
  return Number.isSafeInteger(Number(value));
}

/** Bytes that the initializers take in memory, for reports. */
export function initializerBytes(graph: GraphIr): number {
  return [...graph.initializers.values()].reduce(
    (sum, tensor) => sum + tensor.data.BYTES_PER_ELEMENT * elementCount(tensor.shape),
    0,
  );
}
