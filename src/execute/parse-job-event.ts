// One line of a job's events.jsonl as an event: of the protocol's form, or none. Programs write there what they like, and
// what is shown and journaled must not depend on their care.
import type { JobEvent } from '../events/job-protocol.ts';
import { isJsonObject } from '../support/json.ts';
import type { JsonObject } from '../support/json.ts';

type Test = (value: unknown) => boolean;

const isText: Test = (value) => typeof value === 'string';
const isNumber: Test = (value) => typeof value === 'number' && Number.isFinite(value);
const maybe =
  (test: Test): Test =>
  (value) =>
    value === undefined || test(value);

const forms: { readonly [type in JobEvent['type']]: { readonly [field: string]: Test } } = {
  progress: {
    unit: isText,
    done: isNumber,
    total: isNumber,
    step: maybe(isNumber),
    steps: maybe(isNumber),
    loss: maybe(isNumber),
    learningRate: maybe(isNumber),
    rate: maybe(isNumber),
    secondsLeft: maybe(isNumber),
  },
  metrics: { at: isText, values: (value) => isJsonObject(value) && Object.values(value).every(isNumber) },
  note: { level: (value) => value === 'info' || value === 'warning', text: isText },
  proof: {
    proof: (value) =>
      isJsonObject(value) && isText(value['name']) && typeof value['held'] === 'boolean' && isText(value['text']),
  },
  'resume-state': { step: isNumber },
};

export function parseJobEvent(line: string): JobEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isJobEvent(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isJobEvent(value: unknown): value is JobEvent & JsonObject {
  if (!isJsonObject(value) || typeof value['type'] !== 'string' || !Object.hasOwn(forms, value['type'])) return false;
  const form = forms[value['type'] as JobEvent['type']];
  return Object.entries(form).every(([field, test]) => test(value[field]));
}
