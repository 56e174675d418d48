// The settings of the `dataset` stage as the job reads them (schemas/stages/dataset.schema.json says the same).
import type { ClassGroup, DerivedTarget } from '../../../data/derived-targets.ts';
import { splitNames } from '../../../data/fashion-scenes.ts';
import type { SceneSettings, SplitName } from '../../../data/fashion-scenes.ts';
import { JsonReader } from '../../../data/json-reader.ts';
import type { JsonObject } from '../../../support/json.ts';

export interface DatasetSettings {
  readonly source: ScenesSource | DescribedSource;
  /** In a fixed order, whatever order the workflow has. */
  readonly splits: readonly SplitSettings[];
  readonly derive: readonly DerivedTarget[];
}

export interface ScenesSource {
  readonly kind: 'fashion-scenes';
  readonly folder?: string;
  readonly download: boolean;
  readonly scene: Partial<SceneSettings>;
}

export interface DescribedSource {
  readonly kind: 'image-folder' | 'npy';
  /** Normally an input of the job, because paths are no part of a stage's key. */
  readonly folder?: string;
  readonly description: string;
}

export interface SplitSettings {
  /** The output port. */
  readonly name: SplitName;
  readonly count?: number;
  /** The split of the user's description that it is made from; scenes choose by `name`. */
  readonly from: string;
}

const mostImages = 10_000_000;

/** @throws DataError when the settings do not follow the schema. */
export function readDatasetSettings(settings: JsonObject): DatasetSettings {
  const whole = new JsonReader(settings, 'dataset settings');
  const derive = whole.has('derive') ? whole.at('derive').entries().map(readDerived) : [];
  const json = whole.at('source');
  const kind = json.at('kind').oneOf(['fashion-scenes', 'image-folder', 'npy']);
  const scenes = kind === 'fashion-scenes';
  json.onlyKeys(
    scenes ? ['kind', 'counts', 'folder', 'download', 'scene'] : ['kind', 'splits', 'folder', 'description'],
  );
  const declared = json.at(scenes ? 'counts' : 'splits');
  declared.onlyKeys(splitNames);
  const splits = splitNames
    .filter((name) => declared.has(name))
    .map((name) => readSplit(name, declared.at(name), scenes));
  if (splits.length === 0) throw declared.wrong(`at least one of ${splitNames.join(', ')}`);
  const folder = json.has('folder') ? { folder: json.at('folder').string() } : {};
  const source = scenes ? { ...readScenes(json), ...folder } : { kind, ...readDescribed(json), ...folder };
  return { source, splits, derive };
}

function readDerived([name, json]: readonly [string, JsonReader]): DerivedTarget {
  json.onlyKeys(['from', 'classes']);
  return { name, from: json.at('from').string(), classes: json.at('classes').items().map(readGroup) };
}

function readGroup(json: JsonReader): ClassGroup {
  json.onlyKeys(['name', 'of']);
  const of = json.at('of');
  return { name: json.at('name').string(), of: of.isText() ? of.oneOf<'others'>(['others']) : of.strings() };
}

function readScenes(json: JsonReader): ScenesSource {
  return {
    kind: 'fashion-scenes',
    download: json.has('download') ? json.at('download').boolean() : true,
    scene: json.has('scene') ? readScene(json.at('scene')) : {},
  };
}

function readDescribed(json: JsonReader): { readonly description: string } {
  return { description: json.has('description') ? json.at('description').string() : 'dataset.json' };
}

function readScene(json: JsonReader): Partial<SceneSettings> {
  json.onlyKeys(['size', 'items', 'scale', 'noise']);
  return {
    ...(json.has('size') ? { size: json.at('size').integer(32, 1024) } : {}),
    ...(json.has('items') ? { items: range(json.at('items'), 0, 16, true) } : {}),
    ...(json.has('scale') ? { scale: range(json.at('scale'), 0.25, 4, false) } : {}),
    ...(json.has('noise') ? { noise: range(json.at('noise'), 0, 200, true) } : {}),
  };
}

function range(json: JsonReader, least: number, most: number, whole: boolean): readonly [number, number] {
  const [low, high, ...rest] = json.numbers();
  const two = low !== undefined && high !== undefined && rest.length === 0;
  if (
    !two ||
    low > high ||
    low < least ||
    high > most ||
    (whole && !(Number.isInteger(low) && Number.isInteger(high)))
  ) {
    throw json.wrong(`[least, most]${whole ? ' in whole numbers' : ''} between ${least} and ${most}`);
  }
  return [low, high];
}

function readSplit(name: SplitName, json: JsonReader, scenes: boolean): SplitSettings {
  if (scenes || json.isNumber()) return { name, from: name, count: json.integer(1, mostImages) };
  json.onlyKeys(['count', 'from']);
  const from = json.has('from') ? json.at('from').string() : name;
  return json.has('count') ? { name, from, count: json.at('count').integer(1, mostImages) } : { name, from };
}
