// Descriptions of the user's own data (dataset.json), read while planning where they are at hand: targets and splits that tasks
// and stages ask for, and a normalisation in the wrong units. What the description itself gets wrong, the job tells with its place.
import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { normalisationUnlikely, splitNotDescribed } from '../diagnostics/catalogue/tasks.ts';
import { outlineOf, withDerived } from '../stages/data-outline.ts';
import { normalisationDoubt } from '../support/normalisation-doubts.ts';
import { isJsonObject, type Json, type JsonObject } from '../support/json.ts';
import { targetDoubts, targetProblems, type DescribedUse } from './check-tasks.ts';
import type { Problems } from './instance.ts';
import { placeIn } from './task-places.ts';

/** A larger one is no description. */
const MOST_BYTES = 4 * 1024 * 1024;

export async function checkDescriptions(
  uses: readonly DescribedUse[],
  root: string,
  problems: Problems,
  warnings: Problems,
): Promise<void> {
  const read = new Map<string, JsonObject | undefined>();
  for (const { task, made, data } of uses) {
    const file = join(data.folder, data.description);
    if (!read.has(file)) {
      const description = await readDescription(resolve(root, file));
      read.set(file, description);
      const doubt = description && doubtOf(description);
      if (doubt !== undefined) warnings.push(normalisationUnlikely(file, doubt.message, doubt.help));
    }
    const description = read.get(file);
    if (description === undefined) continue;
    const { splits } = description;
    if (isJsonObject(splits) && !Object.hasOwn(splits, data.split)) {
      problems.push(splitNotDescribed(placeIn(task, []), made, data.split, file, Object.keys(splits)));
      continue;
    }
    const outline = withDerived(outlineOf(description), data.derive);
    problems.push(...targetProblems(task, outline, file));
    warnings.push(...targetDoubts(task, outline));
  }
}

async function readDescription(path: string): Promise<JsonObject | undefined> {
  try {
    if ((await stat(path)).size > MOST_BYTES) return undefined;
    const value = JSON.parse(await readFile(path, 'utf8')) as Json;
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function doubtOf({ image }: JsonObject): ReturnType<typeof normalisationDoubt> {
  if (!isJsonObject(image)) return undefined;
  const { scale = 1 / 255, mean = [], std = [] } = image;
  if (typeof scale !== 'number' || !isNumbers(mean) || !isNumbers(std)) return undefined;
  return normalisationDoubt(scale, mean, std);
}

function isNumbers(value: Json): value is readonly number[] {
  return Array.isArray(value) && (value as readonly Json[]).every((item) => typeof item === 'number');
}
