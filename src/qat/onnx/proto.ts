// The part of onnx.proto (ONNX 1.17, IR version 10) that headgate reads and writes: message and field numbers as data.
// Field numbers are from https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
// Not read: training info, functions, sparse tensors, quantisation annotations; a graph that needs them is refused by the decoder.

interface Field {
  readonly type: string;
  readonly id: number;
  readonly rule?: 'repeated';
  readonly options?: { readonly packed: boolean };
}

const one = (type: string, id: number): Field => ({ type, id });
const many = (type: string, id: number): Field => ({ rule: 'repeated', type, id });
const packed = (type: string, id: number): Field => ({ rule: 'repeated', type, id, options: { packed: true } });
const unpacked = (type: string, id: number): Field => ({ rule: 'repeated', type, id, options: { packed: false } });

export const onnxProto = {
  nested: {
    ModelProto: {
      fields: {
        irVersion: one('int64', 1),
        producerName: one('string', 2),
        producerVersion: one('string', 3),
        graph: one('GraphProto', 7),
        opsetImport: many('OperatorSetIdProto', 8),
        metadataProps: many('StringStringEntryProto', 14),
        functions: many('bytes', 25),
      },
    },
    OperatorSetIdProto: { fields: { domain: one('string', 1), version: one('int64', 2) } },
    StringStringEntryProto: { fields: { key: one('string', 1), value: one('string', 2) } },
    GraphProto: {
      fields: {
        node: many('NodeProto', 1),
        name: one('string', 2),
        initializer: many('TensorProto', 5),
        input: many('ValueInfoProto', 11),
        output: many('ValueInfoProto', 12),
        sparseInitializer: many('bytes', 15),
      },
    },
    NodeProto: {
      fields: {
        input: many('string', 1),
        output: many('string', 2),
        name: one('string', 3),
        opType: one('string', 4),
        attribute: many('AttributeProto', 5),
        domain: one('string', 7),
      },
    },
    AttributeProto: {
      fields: {
        name: one('string', 1),
        f: one('float', 2),
        i: one('int64', 3),
        s: one('bytes', 4),
        t: one('TensorProto', 5),
        g: one('bytes', 6),
        floats: unpacked('float', 7),
        ints: unpacked('int64', 8),
        strings: many('bytes', 9),
        type: one('int32', 20),
      },
    },
    TensorProto: {
      fields: {
        dims: unpacked('int64', 1),
        dataType: one('int32', 2),
        floatData: packed('float', 4),
        int32Data: packed('int32', 5),
        int64Data: packed('int64', 7),
        name: one('string', 8),
        rawData: one('bytes', 9),
        doubleData: packed('double', 10),
        externalData: many('StringStringEntryProto', 13),
        dataLocation: one('int32', 14),
      },
    },
    ValueInfoProto: { fields: { name: one('string', 1), type: one('TypeProto', 2) } },
    TypeProto: { fields: { tensorType: one('TensorTypeProto', 1) } },
    TensorTypeProto: { fields: { elemType: one('int32', 1), shape: one('TensorShapeProto', 2) } },
    TensorShapeProto: { fields: { dim: many('DimensionProto', 1) } },
    DimensionProto: { fields: { dimValue: one('int64', 1), dimParam: one('string', 2) } },
  },
} as const;

/** TensorProto.DataType. */
export const dataTypeNumbers = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint4: 21,
  int4: 22,
} as const;

/** AttributeProto.AttributeType. */
export const attributeTypes = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;
