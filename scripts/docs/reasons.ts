// What is made from the tables of reasons (src/events): the words that the schemas allow or name, and docs/reference/failures.md.
import { applyEdits, modify, type JSONPath } from 'jsonc-parser';
import { retryWords, stageReasons } from '../../src/events/failure-reasons.ts';
import { jobReasons, jobReasonWords, OWN_REASON, type ReasonWords } from '../../src/events/job-reasons.ts';
import { byCodeUnit } from '../../src/support/canonical-json.ts';
import type { Json } from '../../src/support/json.ts';
import { generatedNote, table } from './markdown.ts';

const RETRY_ON: JSONPath = ['$defs', 'retry', 'properties', 'on', 'items'];
const JOB_REASON: JSONPath = ['$defs', 'result', 'oneOf', 2, 'properties', 'failure', 'properties', 'reason'];

/** Where schemas that are otherwise written by hand hold words of the tables, and which. */
const inSchemas: { readonly [name: string]: readonly (readonly [path: JSONPath, words: Json])[] } = {
  workflow: [
    [[...RETRY_ON, 'then'], { pattern: `^job-failed:${OWN_REASON.source.slice(1)}` }],
    [[...RETRY_ON, 'else'], { enum: [...retryWords] }],
  ],
  job: [[[...JOB_REASON, 'examples'], [...jobReasonWords]]],
};

export const schemasWithReasons: readonly string[] = Object.keys(inSchemas);

/** The schema's text with the words that the tables have now; all else stays as it was written. */
export function withReasons(name: string, text: string): string {
  return (inSchemas[name] ?? []).reduce(
    (edited, [path, words]) => applyEdits(edited, modify(edited, [...path], words, {})),
    text,
  );
}

export function failuresPage(): string {
  return `${[
    '# Reference: why a stage fails',
    generatedNote('npm run reference'),
    'Every failure of a stage has a reason: one word, by which `retry.on` names it and programs know it. A failure that knows its own cause tells a remedy for that cause; the ones below stand for all causes of their reason. A stage with `retry` is tried again by itself only where waiting can help; `retry.on` names other reasons.',
    '## Reasons of the engine',
    reasonTable(Object.entries(stageReasons), ''),
    '## Reasons of a job',
    "What headgate's own worker says in result.json, and what programs of packages may say too. `retry.on` names them as below, or all of them together as `job-failed`.",
    reasonTable(Object.entries(jobReasons), 'job-failed:'),
    '## Reasons of a package',
    "A kind's file may declare words of its program's own under `reasons`, each with `meaning`, `remedy` and `mayPass`. They begin with `x-`, and `retry.on` of the kind's stages names them as `job-failed:x-…`. A word that nobody declared is shown as it was told and is tried again like `job-failed`; `retry.on` cannot name it by itself.",
  ].join('\n\n')}\n`;
}

function reasonTable(rows: readonly (readonly [string, ReasonWords])[], prefix: string): string {
  return table(
    ['reason', 'what happened', 'what to do', 'can waiting help?'],
    rows
      .toSorted(([left], [right]) => byCodeUnit(left, right))
      .map(([word, { meaning, remedy, mayPass }]) => [`\`${prefix}${word}\``, meaning, remedy, mayPass ? 'yes' : 'no']),
  );
}
