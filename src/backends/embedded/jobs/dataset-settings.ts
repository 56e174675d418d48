// The settings of the `dataset` stage as the job reads them (schemas/stages/dataset.schema.json says the same).
import { splitNames } from '../../../data/fashion-scenes.ts';
import type { SceneSettings, SplitName } from '../../../data/fashion-scenes.ts';
import { JsonReader } from '../../../data/json-reader.ts';
import type { JsonObject } from '../../../support/json.ts';

export interface DatasetSettings {
  readonly source: ScenesSource | DescribedSource;
  /** In a fixed order, whatever order the workflow has. */
  readonly splits: readonly SplitSettings[];
}

export interface ScenesSource {
  readonly kind: 'fashion-scenes';
  readonly folder?: string;
  readonly download: boolean;
  readonly scene: Partial<SceneSettings>;
}

export interface DescribedSource {
  readonly kind: 'image-folder' | 'npy';
  readonly folder: string;
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
  const json = new JsonReader(settings, 'dataset settings');
  const source = readSource(json.at('source'));
  const splits = splitNames
    .filter((name) => json.at('splits').has(name))
    .map((name) => readSplit(name, json, source.kind === 'fashion-scenes'));
  if (splits.length === 0) throw json.at('splits').wrong(`at least one of ${splitNames.join(', ')}`);
  return { source, splits };
}

function readSource(json: JsonReader): ScenesSource | DescribedSource {
  const kind = json.at('kind').oneOf(['fashion-scenes', 'image-folder', 'npy']);
  if (kind !== 'fashion-scenes') {
    json.onlyKeys(['kind', 'folder', 'description']);
    const description = json.has('description') ? json.at('description').string() : 'dataset.json';
    return { kind, folder: json.at('folder').string(), description };
  }
  json.onlyKeys(['kind', 'folder', 'download', 'scene']);
  return {
    kind,
    download: json.has('download') ? json.at('download').boolean() : true,
    scene: json.has('scene') ? readScene(json.at('scene')) : {},
    ...(json.has('folder') ? { folder: json.at('folder').string() } : {}),
  };
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

function readSplit(name: SplitName, json: JsonReader, counted: boolean): SplitSettings {
  const split = json.at('splits').at(name);
  if (split.isNumber()) return { name, from: name, count: split.integer(1, mostImages) };
  split.onlyKeys(counted ? ['count'] : ['count', 'from']);
  const from = split.has('from') ? split.at('from').string() : name;
  if (!split.has('count') && !counted) return { name, from };
  return { name, from, count: split.at('count').integer(1, mostImages) };
}
