// What is made from something else is what its script makes now.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { generatedSchemas } from '../../scripts/docs/generated-files.ts';

const schemas = await generatedSchemas('.');

it.each(schemas)('$path is what `npm run schemas` makes', ({ path, text }) => {
  expect(readFileSync(path, 'utf8')).toBe(text);
});
