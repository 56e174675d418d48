// What an editor offers while a workflow is written.
import { expect, it } from 'vitest';
import { stageKinds } from '../../src/stages/registry.ts';
import { completions } from './editor.ts';
import { path, withStage } from './places.ts';

async function offered(text: string): Promise<readonly string[]> {
  return (await completions(path, text)).map(({ label }) => label.replaceAll('"', ''));
}

it('offers the top-level keys', async () => {
  expect(await offered('{ "$schema": "../schemas/workflow.schema.json", | }')).toEqual(
    expect.arrayContaining(['name', 'description', 'params', 'profiles', 'tasks', 'model', 'stages']),
  );
});

it('offers the fields of a stage', async () => {
  expect(await offered(withStage('{ | }'))).toEqual(
    expect.arrayContaining(['kind', 'task', 'forEach', 'inputs', 'after', 'with', 'cases', 'retry', 'timeout']),
  );
});

it('offers every kind, each with its description', async () => {
  const items = await completions(path, withStage('{ "kind": | }'));
  for (const { kind, settingsSchema } of stageKinds.values()) {
    const item = items.find(({ label }) => label === `"${kind}"`);
    expect(item?.documentation, kind).toBe(settingsSchema['description']);
  }
});

it.each([...stageKinds.values()].filter(({ settingsSchema }) => settingsSchema['properties'] !== undefined))(
  'offers the settings of $kind and no others',
  async ({ kind, settingsSchema }) => {
    const labels = await offered(withStage(`{ "kind": "${kind}", "with": { | } }`));
    const settings = Object.keys(settingsSchema['properties'] as object);
    expect(labels.filter((label) => !label.startsWith('$') && !label.startsWith('{')).sort()).toEqual(settings.sort());
  },
);

it.each([
  ['a setting', '{ "kind": "qat", "with": { "scope": | } }', ['backbone', 'head']],
  ['an item of a list', '{ "kind": "train", "with": { "train": [ | ] } }', ['backbone', 'head']],
  [
    'what tells alternatives apart',
    '{ "kind": "qat", "with": { "training": { "schedule": { "kind": | } } } }',
    ['constant', 'cosine'],
  ],
  ['a setting of a profile', '{ "kind": "stop" } }, "profiles": { "p": { "weights": { "bits": | } }', ['4', '8', '16']],
])('offers the values of %s, and a substitution', async (_what, stage, values) => {
  expect(await offered(withStage(stage))).toEqual(expect.arrayContaining([...values, '{$param: …}']));
});

it('offers the fields of the alternative that was chosen', async () => {
  const labels = await offered(withStage('{ "kind": "calibrate", "with": { "observer": { "kind": "mse", | } } }'));
  expect(labels).toContain('candidates');
  expect(labels).not.toContain('percentile');
});

it('offers the parts of a case and of a criterion', async () => {
  const cases = await offered(withStage('{ "kind": "gate", "cases": [ { | } ] }'));
  expect(cases).toEqual(expect.arrayContaining(['name', 'criteria', 'else', 'if']));
  const criteria = await offered(
    withStage('{ "kind": "gate", "cases": [ { "name": "pass", "criteria": [ { | } ] } ] }'),
  );
  expect(criteria).toEqual(expect.arrayContaining(['metric', 'atLeast', 'maxDegradation', 'percentOfReference']));
});

it.each([
  ['validate', ['model', 'backbone', 'head', 'merged', 'exported']],
  ['qat', ['model', 'backbone', 'head', 'heads', 'teacher']],
  ['gate', ['metrics', 'reference']],
])('offers the input ports of %s, whatever its settings', async (kind, ports) => {
  expect(await offered(withStage(`{ "kind": "${kind}", "inputs": { | } }`))).toEqual(expect.arrayContaining(ports));
});

it('offers what a task and a profile hold', async () => {
  expect(await offered(withStage('{ "kind": "stop" }', '"tasks": { "seg": { | } },'))).toEqual(
    expect.arrayContaining(['data', 'target', 'loss', 'metric', 'classes']),
  );
  expect(await offered(withStage('{ "kind": "stop" }', '"profiles": { "w8a8": { | } },'))).toEqual(
    expect.arrayContaining(['weights', 'activations', 'onLow']),
  );
});
