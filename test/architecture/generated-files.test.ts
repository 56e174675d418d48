// What is made from something else is what its script makes now.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { generatedPages, generatedSchemas } from '../../scripts/docs/generated-files.ts';

const schemas = await generatedSchemas('.');
const pages = await generatedPages('.');

it.each(schemas)('$path is what `npm run schemas` makes', ({ path, text }) => {
  expect(readFileSync(path, 'utf8')).toBe(text);
});

it.each(pages)('$path is what `npm run reference` makes', ({ path, text }) => {
  expect(readFileSync(path, 'utf8')).toBe(text);
});
