// Events as journals of the first form hold them: without a seal, written by programs before journals had one. Closed and
// never extended: what is told since then is sealed. Every field that a reader uses has its type here.
import type { Shape } from '../support/shape.ts';
import { count, fields, flag, listOf, mapOf, nullOr, number, object, oneOf, tagged, text } from '../support/shape.ts';
import { firstFormFailure } from './first-form-failures.ts';
import { firstFormVerdict } from './first-form-verdict.ts';
import type { RunEvent } from './run-events.ts';

/** ISO 8601, UTC. */
const time: Shape = (value) =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) && !Number.isNaN(Date.parse(value));
const outputs = mapOf(fields({ digest: text, type: text, bytes: number }, { tree: oneOf(true), name: text }));
const proof = fields({ name: text, held: flag, text });
const metrics = fields({
  port: text,
  task: text,
  primary: text,
  values: mapOf(number),
  units: mapOf(text),
  higherIsBetter: mapOf(flag),
});
const facts = fields({ metrics: listOf(metrics), proofs: listOf(proof) });
const outline = fields({ id: text, name: text, kind: text }, { task: text, role: text, profile: text });
const change = fields({ pointer: text, before: nullOr(text), after: nullOr(text) });
const cause = tagged('because', {
  'never-run': fields({}),
  changed: fields({ changes: listOf(change) }),
  'output-lost': fields({ port: text, digest: text }),
  forced: fields({}),
});
const asked = fields(
  { file: text, set: listOf(text) },
  {
    params: fields({ path: text, text }),
    until: listOf(text),
    only: listOf(text),
    force: listOf(text),
    jobs: number,
    resources: listOf(text),
    keepGoing: flag,
    timeout: text,
  },
);
const override = fields({ case: text, who: text, why: text, when: text, key: text });
const jobEvent = tagged('type', {
  progress: fields(
    { unit: text, done: number, total: number },
    { step: number, steps: number, loss: number, learningRate: number, rate: number, secondsLeft: number },
  ),
  metrics: fields({ at: text, values: mapOf(number) }),
  note: fields({ level: oneOf('info', 'warning'), text }),
  proof: fields({ proof }),
  'resume-state': fields({ step: number }),
});

const bodies: { readonly [type: string]: Shape } = {
  'run-started': event(
    { workflow: text, name: text, params: object, options: (value) => asked(value) || fields({})(value), pid: count },
    { headgate: text, stages: listOf(outline) },
  ),
  'run-resumed': event({ pid: count, headgate: text, stages: listOf(outline) }),
  'stage-started': event({ stage: text, key: text, attempt: count, cause, resumed: flag }),
  'job-reported': event({ stage: text, event: jobEvent }),
  'stage-succeeded': event({ stage: text, key: text, outputs, summary: object, milliseconds: number }, { facts }),
  'stage-restored': event({ stage: text, key: text, outputs, summary: object, madeBy: text }, { facts }),
  'gate-decided': event({ stage: text, chosen: text, verdict: firstFormVerdict, cached: flag }),
  'override-lapsed': event({ stage: text, override }),
  'stage-failed': event(
    { stage: text, failure: firstFormFailure },
    { attempts: count, firstFailure: firstFormFailure },
  ),
  'stage-waiting': event({ stage: text, key: text, owner: fields({ run: text, host: text, pid: number }) }),
  'stage-retried': event({ stage: text, failure: firstFormFailure, attempt: count }, { delayMs: number }),
  'stage-reopened': event({ stage: text, port: text, digest: text }),
  'stage-cancelled': event({ stage: text, checkpointed: flag }),
  'stage-not-taken': event({ stage: text, gate: text, chosen: text }),
  'stage-blocked': event({ stage: text, by: text }),
  'object-quarantined': event({ digest: text, found: text, movedTo: text }),
  'journal-repaired': event({ droppedBytes: count }),
  'run-stopped': event({ stage: text, reason: text }, { gates: listOf(text) }),
  'run-interrupted': event({ signal: text }),
  'run-superseded': event({ by: text }),
  'run-finished': event({
    outcome: oneOf('succeeded', 'failed', 'stopped', 'interrupted', 'superseded'),
    exitCode: count,
    milliseconds: number,
    counts: mapOf(count),
  }),
};

const firstForm = tagged('type', bodies);

export function isFirstFormEvent(value: unknown): value is RunEvent {
  return firstForm(value);
}

function event(required: { readonly [name: string]: Shape }, optional: { readonly [name: string]: Shape } = {}): Shape {
  return fields({ ...required, run: text, seq: count, time }, optional);
}
