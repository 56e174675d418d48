// The schemas are what editors and the planner check with, the readers are what decides: both must agree.
import { describe, expect, it } from 'vitest';
import descriptionSchema from '../../schemas/dataset.schema.json' with { type: 'json' };
import settingsSchema from '../../schemas/stages/dataset.schema.json' with { type: 'json' };
import { readDatasetSettings } from '../../src/backends/embedded/jobs/dataset-settings.ts';
import { sourceDocument } from '../../src/diagnostics/source.ts';
import { parseJson } from '../../src/spec/json-syntax.ts';
import { checkSchema } from '../../src/spec/schema-check.ts';
import type { JsonObject } from '../../src/support/json.ts';
import { jsonModule } from '../../src/support/json-module.ts';
import { arraysDescription, streetDescription } from './descriptions.ts';

function follows(schema: JsonObject, value: object): boolean {
  const parsed = parseJson(sourceDocument('a test', JSON.stringify(value)));
  return parsed.ok && checkSchema(schema, parsed.value, 'the value').ok;
}

describe('the schema of descriptions', () => {
  const schema = jsonModule(descriptionSchema);

  it('accepts the descriptions that the reader accepts', () => {
    expect(follows(schema, streetDescription)).toBe(true);
    expect(follows(schema, arraysDescription)).toBe(true);
  });

  it.each([
    ['an unknown key', { ...streetDescription, classes: [] }],
    ['no size', { ...streetDescription, image: { width: 4 } }],
    ['another kind', { ...arraysDescription, kind: 'zip' }],
    ['an image folder that is said to be arrays', { ...streetDescription, kind: 'npy' }],
    [
      'a target named like a file of the artifact',
      { ...arraysDescription, targets: { images: { kind: 'class', classes: ['a'] } } },
    ],
  ])('refuses %s', (_what, description) => {
    expect(follows(schema, description)).toBe(false);
  });
});

describe('the schema of dataset stages', () => {
  const schema = jsonModule(settingsSchema);
  const reads = (settings: JsonObject): boolean => {
    try {
      readDatasetSettings(settings);
      return true;
    } catch {
      return false;
    }
  };

  it.each<[string, boolean, JsonObject]>([
    ['scenes', true, { source: { kind: 'fashion-scenes', counts: { train: 10, report: 2 } } }],
    [
      'scenes with everything said',
      true,
      {
        source: {
          kind: 'fashion-scenes',
          counts: { gate: 1 },
          folder: 'x',
          download: false,
          scene: { size: 96, items: [0, 3], scale: [0.9, 1.1], noise: [0, 200] },
        },
      },
    ],
    [
      'a folder',
      true,
      {
        source: {
          kind: 'image-folder',
          folder: 'x',
          splits: { train: {}, gate: { from: 'val', count: 3 }, report: 5 },
        },
      },
    ],
    ['arrays', true, { source: { kind: 'npy', folder: 'x', description: 'mine.json', splits: { train: {} } } }],
    ['no scenes', false, { source: { kind: 'fashion-scenes', counts: { train: 0 } } }],
    ['half a scene', false, { source: { kind: 'fashion-scenes', counts: { train: 1.5 } } }],
    ['an unknown split', false, { source: { kind: 'fashion-scenes', counts: { train: 5, test: 5 } } }],
    ['no splits', false, { source: { kind: 'npy', folder: 'x', splits: {} } }],
    ['an unknown source', false, { source: { kind: 'imagenet', counts: { train: 5 } } }],
    ['a key of another source', false, { source: { kind: 'npy', folder: 'x', splits: { train: {} }, download: true } }],
    [
      'a scene key that does not exist',
      false,
      { source: { kind: 'fashion-scenes', counts: { train: 1 }, scene: { colour: 'red' } } },
    ],
  ])('and the reader agree on %s', (_what, valid, settings) => {
    expect([follows(schema, settings), reads(settings)]).toEqual([valid, valid]);
  });
});
