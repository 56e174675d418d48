// Judges the JSON report of a repeated demo: nothing ran again, every head was measured, the float floors hold, no proof is
// broken. One line per judgement, "ok: …" or "FAILED: …", for .ci/run.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './places.mjs';

/** Stages that the engine decides in its own process; deciding again is not running. */
const decidedByEngine = new Set(['gate', 'select', 'best', 'stop']);
const floors = JSON.parse(readFileSync(join(root, 'scripts', 'floors.json'), 'utf8')).float;
const report = JSON.parse(readFileSync(process.argv[2], 'utf8'));

const say = (held, text) => console.log(`${held ? 'ok' : 'FAILED'}: ${text}`);

const ran = report.stages.filter(
  ({ kind, state }) => !decidedByEngine.has(kind) && state !== 'cached' && state !== 'not-taken',
);
say(
  ran.length === 0,
  `the second demo runs no stage${ran.length === 0 ? '' : `: ${ran.map(({ id, state }) => `${id} ${state}`).join(', ')}`}`,
);

const measured = report.stages.flatMap(({ role, facts }) => facts.metrics.map((metrics) => ({ role, ...metrics })));
say(measured.length > 0, `the report holds metrics (${measured.length})`);
for (const [task, floor] of Object.entries(floors)) {
  const float = measured.find((metrics) => metrics.role === 'float' && metrics.task === task);
  const value = float?.values[float.primary];
  say(
    value >= floor,
    `float ${task} reaches ${floor}: ${value === undefined ? 'not measured' : `${float.primary} ${value.toFixed(4)}`}`,
  );
}

const proofs = report.stages.flatMap(({ id, facts }) => (facts.proofs ?? []).map((proof) => ({ id, ...proof })));
const broken = proofs.filter(({ held }) => !held);
say(proofs.length > 0, `the report holds proofs (${proofs.length})`);
say(broken.length === 0, `every proof holds${broken.map(({ id, text }) => `; ${id}: ${text}`).join('')}`);
