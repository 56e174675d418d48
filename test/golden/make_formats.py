"""Writes formats.json: small NPY and safetensors files as hex, made by numpy and safetensors themselves.

Run with: python test/golden/make_formats.py   (numpy, safetensors)
"""
import io
import json
import pathlib

import numpy
import safetensors.numpy


def npy(array, version=None):
    stream = io.BytesIO()
    numpy.lib.format.write_array(stream, array, version=version)
    return stream.getvalue().hex()


def described(array):
    return {"dtype": array.dtype.name, "shape": list(array.shape), "values": [float(v) for v in array.ravel()]}


dtypes = ["float32", "float64", "int8", "uint8", "int16", "uint16", "int32", "int64"]
arrays = [(numpy.arange(-6 if not name.startswith("u") else 0, 6 if not name.startswith("u") else 12) * 7)
          .astype(name).reshape(2, 3, 2) for name in dtypes]
arrays += [numpy.array(2.5, dtype="float32"), numpy.zeros((0, 4), dtype="int16"), numpy.arange(5, dtype="uint8"),
           # This header's length is a multiple of 64 before padding: numpy then adds a whole block.
           numpy.zeros((1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), dtype="float32")]

tensors = {f"b/{name}": array for name, array in zip(dtypes, arrays)}
tensors["a.scalar"] = arrays[8]
tensors["a.empty"] = arrays[9]

golden = {
    "madeBy": {"numpy": numpy.__version__, "safetensors": safetensors.__version__},
    "npy": [{**described(array), "bytes": npy(array)} for array in arrays],
    "npyVersion2": {**described(arrays[0]), "bytes": npy(arrays[0], version=(2, 0))},
    "npyFortran": npy(numpy.asfortranarray(arrays[0])),
    "npyBigEndian": npy(numpy.arange(3, dtype=">i4")),
    "npyStructured": npy(numpy.zeros(2, dtype=[("a", "<i4"), ("b", "<f4")])),
    "npyBoolean": npy(numpy.zeros(2, dtype="bool")),
    "safetensors": {
        "metadata": {"format": "headgate-checkpoint"},
        "tensors": {name: described(array) for name, array in tensors.items()},
        "bytes": safetensors.numpy.save(tensors, metadata={"format": "headgate-checkpoint"}).hex(),
    },
}
path = pathlib.Path(__file__).with_name("formats.json")
path.write_text(json.dumps(golden, indent=1) + "\n")
