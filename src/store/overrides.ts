// Overrides of gates: one small file for each stage of a workflow, written whole or not at all, under a seal: a flipped bit
// must not turn one person's decision into another. Files of the first form have no seal and no room for one; they are still
// read. Reads and writes; whether an override still holds is for those who know the gate's key.
import { existsSync, readdirSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { GateOverride, RecordedOverride } from '../events/gate-override.ts';
import { writeFileAtomic } from '../support/atomic-file.ts';
import { digestJson } from '../support/digest.ts';
import { isJsonObject } from '../support/json.ts';
import { isMissing, readJsonIfPresent } from '../support/missing-files.ts';
import { belowSeal, withSeal } from '../support/seal.ts';
import type { StoreLayout } from './layout.ts';

const FORMAT = 'headgate-override';
/** No others: a seal whose name was damaged must not pass for the first form, which has none. */
const FIELDS = ['format', 'override', 'stage', 'version', 'workflow'];

export interface ReadOverrides {
  readonly recorded: readonly RecordedOverride[];
  /** Files that are no override, or a damaged one: nobody obeys them, and people should know. */
  readonly unreadable: readonly string[];
}

/** The overrides of one workflow's gates. */
export interface GateOverrides {
  readonly byStage: ReadonlyMap<string, GateOverride>;
  /** The file of a gate's override, where there is one that cannot be believed. */
  damagedOf(stage: string): string | undefined;
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

export async function overridesOf(layout: StoreLayout, workflow: string): Promise<GateOverrides> {
  const { recorded, unreadable } = await readOverrides(layout);
  const own = recorded.filter((item) => item.workflow === workflow);
  const damaged = new Set(unreadable);
  return {
    byStage: new Map(own.map((item) => [item.stage, item.override])),
    damagedOf: (stage) => {
      if (damaged.size === 0) return undefined;
      const path = join(layout.overrides, fileOf(workflow, stage));
      return damaged.has(path) ? path : undefined;
    },
  };
}

/** The files that may hold overrides; a run that is told again looks at each of them. */
export function overrideFiles({ overrides }: StoreLayout): readonly string[] {
  return existsSync(overrides) ? readdirSync(overrides).map((name) => join(overrides, name)) : [];
}

/** Replaces an earlier one of the same stage. */
export async function recordOverride({ overrides }: StoreLayout, recorded: RecordedOverride): Promise<void> {
  const document = withSeal({ format: FORMAT, version: 2, ...recorded });
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

function recordedOverride(found: unknown): RecordedOverride | undefined {
  if (!isJsonObject(found)) return undefined;
  const document = found['version'] === 1 ? found : belowSeal(found);
  if (document === undefined || !isDeepStrictEqual(Object.keys(document).toSorted(), FIELDS)) return undefined;
  const { format, version, workflow, stage, override } = document;
  if (format !== FORMAT || (version !== 1 && version !== 2)) return undefined;
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
