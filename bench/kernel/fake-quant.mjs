// Figure: fake-quant against two programs nobody here wrote, bit for bit (−0 counting as +0), on at least ten million values
// of every format, per tensor and per channel: with division ONNX's QuantizeLinear and DequantizeLinear (onnxruntime, opset
// 21), with inverse multiplication PyTorch's fake_quantize.
//
//   HEADGATE_TORCH_PYTHON=python3 node bench/kernel/fake-quant.mjs [--values 10000000] [--seed 1] [--out docs/results]
//
// HEADGATE_TORCH_PYTHON names an interpreter with torch and numpy; without it PyTorch's half is left out, and said to be.
// Counts are printed and written to fake-quant.json and fake-quant.md. The short form is test/qat/quantize/fake-quant.test.ts.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { cacheFolder, root } from '../../scripts/places.mjs';

const { values: options } = parseArgs({
  options: {
    values: { type: 'string', default: '10000000' },
    seed: { type: 'string', default: '1' },
    out: { type: 'string', default: 'docs/results' },
  },
});
const python = process.env.HEADGATE_TORCH_PYTHON;
/** Values of one row; a chunk has one row per scale. */
const ROW = 1 << 17;
/** PyTorch casts quotients to int64 before it clips: from here on the cast overflows, which C++ leaves undefined. */
const CAST_LIMIT = 2 ** 63;

const kernel = await kernelModule();
const { formats, SCALES, manyValues, fakeQuantGraph, qdqGraph, evaluate, Random } = kernel;
const chunk = SCALES.length * ROW;
// About one value in eight is not compared with PyTorch.
const chunks = Math.ceil(Number(options.values) / chunk / 0.8);
const rows = [];
for (const { name, format } of formats) {
  const counts = new Map();
  for (let index = 0; index < chunks; index++) {
    const random = new Random(Number(options.seed) * 1000 + index);
    const data = new Float32Array(chunk);
    SCALES.forEach((scale, at) => data.set(manyValues(random, ROW, scale, format), at * ROW));
    await compareWithRuntime(counts, name, format, data);
    if (python !== undefined) await compareWithTorch(counts, name, format, data);
  }
  for (const [comparison, count] of counts) {
    rows.push({ format: name, comparison, ...count });
    console.log(`${name}: ${comparison}: ${count.values} values, ${count.different} different${overflowText(count)}`);
  }
}
if (python === undefined) console.log('PyTorch: left out, since HEADGATE_TORCH_PYTHON names no interpreter');
const versions = python === undefined ? {} : { torch: torchVersion() };
const result = { seed: Number(options.seed), scales: [...SCALES], versions, rows };
writeFileSync(join(resolve(root, options.out), 'fake-quant.json'), `${JSON.stringify(result, null, 1)}\n`);
writeFileSync(join(resolve(root, options.out), 'fake-quant.md'), page(result));
process.exitCode = rows.some(({ different }) => different > 0) ? 1 : 0;

async function compareWithRuntime(counts, name, format, data) {
  for (const [at, scale] of SCALES.entries()) {
    const x = tensor([ROW], data.slice(at * ROW, (at + 1) * ROW));
    const s = tensor([], Float32Array.of(scale));
    const reference = await evaluate(qdqGraph(name, s), x, 'disabled');
    const found = await evaluate(fakeQuantGraph(format, s, 'divide'), x, 'all');
    count(counts, 'division, per tensor, against QDQ', found, reference);
  }
  const x = tensor([SCALES.length, ROW], data);
  const s = tensor([SCALES.length, 1], Float32Array.from(SCALES));
  const reference = await evaluate(qdqGraph(name, s), x, 'disabled');
  count(
    counts,
    'division, per channel, against QDQ',
    await evaluate(fakeQuantGraph(format, s, 'divide'), x, 'all'),
    reference,
  );
}

async function compareWithTorch(counts, name, format, data) {
  const { perTensor, perChannel } = torch(kernel.limits(format), data);
  const overflows = (index) => {
    const inverse = Math.fround(1 / SCALES[Math.floor(index / ROW)]);
    return Math.abs(Math.fround(data[index] * inverse)) >= CAST_LIMIT;
  };
  const found = new Float32Array(data.length);
  for (const [at, scale] of SCALES.entries()) {
    const x = tensor([ROW], data.slice(at * ROW, (at + 1) * ROW));
    const graph = fakeQuantGraph(format, tensor([], Float32Array.of(scale)), 'inverse-multiply');
    found.set(await evaluate(graph, x, 'all'), at * ROW);
  }
  count(counts, 'inverse multiplication, per tensor, against fake_quantize', found, perTensor, overflows);
  const graph = fakeQuantGraph(format, tensor([SCALES.length, 1], Float32Array.from(SCALES)), 'inverse-multiply');
  const channels = await evaluate(graph, tensor([SCALES.length, ROW], data), 'all');
  count(counts, 'inverse multiplication, per channel, against fake_quantize', channels, perChannel, overflows);
}

/** Overflowing casts are counted apart: there is no result of PyTorch's to equal. */
function count(counts, comparison, found, reference, overflows = () => false) {
  const now = counts.get(comparison) ?? { values: 0, different: 0, overflowing: 0 };
  for (let index = 0; index < reference.length; index++) {
    if (overflows(index)) now.overflowing++;
    else {
      now.values++;
      if (found[index] !== reference[index]) now.different++;
    }
  }
  counts.set(comparison, now);
}

function torch({ qmin, qmax }, data) {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-fake-quant-'));
  try {
    writeFileSync(join(folder, 'x.f32'), data);
    writeFileSync(join(folder, 'case.json'), JSON.stringify({ qmin, qmax, scales: [...SCALES] }));
    execFileSync(python, [join(import.meta.dirname, 'torch_fake_quant.py'), folder], { stdio: 'inherit' });
    const read = (name) => new Float32Array(new Uint8Array(readFileSync(join(folder, name))).buffer);
    return { perTensor: read('tensor.f32'), perChannel: read('channel.f32') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function torchVersion() {
  return execFileSync(python, ['-c', 'import torch; print(torch.__version__)'], { encoding: 'utf8' }).trim();
}

function tensor(shape, data) {
  return { dtype: 'float32', shape, data };
}

function overflowText({ overflowing }) {
  return overflowing === 0 ? '' : `, ${overflowing} whose quotient overflows PyTorch's cast not compared`;
}

/** The kernel is TypeScript: bundled with what the tests compare with. */
async function kernelModule() {
  const outfile = join(cacheFolder, 'bench-fake-quant.mjs');
  const contents = [
    `export * from './test/qat/quantize/fake-quant-cases.ts';`,
    `export { Random } from './src/support/random.ts';`,
    `export { limits } from './src/qat/quantize/scheme.ts';`,
  ].join('\n');
  await build({
    stdin: { contents, resolveDir: root },
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  });
  return import(outfile);
}

function page({ rows: all, versions, scales, seed }) {
  const lines = all.map(
    (row) =>
      `| ${row.format} | ${row.comparison} | ${row.values.toLocaleString('en')} | ${row.different} | ${row.overflowing.toLocaleString('en')} |`,
  );
  return `# Fake-quant against ONNX and PyTorch

Made by \`node bench/kernel/fake-quant.mjs\` (seed ${seed}${versions.torch === undefined ? ', without PyTorch' : `, PyTorch ${versions.torch}`}): headgate's fake-quant nodes, optimised as in a training
graph, against QuantizeLinear → DequantizeLinear run unoptimised by onnxruntime, and against \`fake_quantize_per_tensor_affine\`
and \`fake_quantize_per_channel_affine\`. Equal means equal bits, −0 counting as +0.

Values: half spread over the format's range, half random bit patterns of float32; in every row ties, both zeros, denormals,
steps around saturation, the largest numbers and infinities. Scales: ${scales.map((scale) => Number(scale.toPrecision(3))).join(', ')}.

The last column counts values whose quotient is 2⁶³ or more: PyTorch casts it to int64 before it clips, which C++ leaves
undefined (infinity becomes the smallest step); headgate saturates. They are not compared.

| format | comparison | values compared | different | not compared |
| ------ | ---------- | --------------: | --------: | -----------: |
${lines.join('\n')}
`;
}
