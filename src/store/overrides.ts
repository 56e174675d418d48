// Overrides of gates: one small file for each stage of a workflow, written whole or not at all. Reads and writes; whether one
// still holds is for those who know the gate's key.
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { GateOverride, RecordedOverride } from '../events/gate-override.ts';
import { writeFileAtomic } from '../support/atomic-file.ts';
import { digestJson } from '../support/digest.ts';
import { isJsonObject } from '../support/json.ts';
import { isMissing, readJsonIfPresent } from '../support/missing-files.ts';
import type { StoreLayout } from './layout.ts';

export interface ReadOverrides {
  readonly recorded: readonly RecordedOverride[];
  /** Files that are no override: they change nothing, and people should know. */
  readonly unreadable: readonly string[];
}

export async function readOverrides({ overrides }: StoreLayout): Promise<ReadOverrides> {
  const recorded: RecordedOverride[] = [];
  const unreadable: string[] = [];
  for (const name of (await namesIn(overrides)).filter((file) => file.endsWith('.json')).sort()) {
    const read = recordedOverride(await readJsonIfPresent(join(overrides, name)));
    if (read === undefined || fileOf(read.workflow, read.stage) !== name) unreadable.push(join(overrides, name));
    else recorded.push(read);
  }
  return { recorded, unreadable };
}

/** Of one workflow, by stage. */
export async function overridesOf(layout: StoreLayout, workflow: string): Promise<ReadonlyMap<string, GateOverride>> {
  const { recorded } = await readOverrides(layout);
  return new Map(recorded.filter((item) => item.workflow === workflow).map((item) => [item.stage, item.override]));
}

/** Replaces an earlier one of the same stage. */
export async function recordOverride({ overrides }: StoreLayout, recorded: RecordedOverride): Promise<void> {
  const document = { format: 'headgate-override', version: 1, ...recorded };
  await writeFileAtomic(
    join(overrides, fileOf(recorded.workflow, recorded.stage)),
    `${JSON.stringify(document, null, 2)}\n`,
  );
}

/** @returns whether there was one. */
export async function removeOverride({ overrides }: StoreLayout, workflow: string, stage: string): Promise<boolean> {
  try {
    await rm(join(overrides, fileOf(workflow, stage)));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Stage ids hold characters that file names may not. */
function fileOf(workflow: string, stage: string): string {
  return `${digestJson('headgate-override', 1, { workflow, stage }).slice(0, 32)}.json`;
}

function recordedOverride(document: unknown): RecordedOverride | undefined {
  if (!isJsonObject(document) || document['format'] !== 'headgate-override' || document['version'] !== 1)
    return undefined;
  const { workflow, stage, override } = document;
  if (typeof workflow !== 'string' || typeof stage !== 'string' || !isOverride(override)) return undefined;
  return { workflow, stage, override };
}

function isOverride(value: unknown): value is GateOverride {
  return (
    isJsonObject(value) &&
    ['case', 'who', 'why', 'when', 'key'].every((field) => {
      const text = value[field];
      return typeof text === 'string' && isPlainText(text);
    })
  );
}

/** Something to read, on one line, that moves no cursor. */
export function isPlainText(text: string): boolean {
  return text.trim() !== '' && text.length <= 1000 && !/[\p{Cc}\p{Cf}\u2028\u2029]/u.test(text);
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return readdir(folder).catch((error: unknown) => {
    if (isMissing(error)) return [];
    throw error;
  });
}
