// `dataset`: makes the data sets that stages read, one output per declared split.
import schema from '../../../schemas/stages/dataset.schema.json' with { type: 'json' };
import { isJsonObject } from '../../support/json.ts';
import type { JsonObject } from '../../support/json.ts';
import { jsonModule } from '../../support/json-module.ts';
import { withDerived, type DataOutline } from '../data-outline.ts';
import type { KnownData, StageContext, StageKind } from '../stage-kind.ts';

const splits = ['train', 'gate', 'report', 'calibration'];

export const dataset: StageKind = {
  kind: 'dataset',
  summary: 'makes the data sets that stages read',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  seeded: true,
  ports: (context) => ({
    inputs: [],
    outputs: splits
      .filter((split) => declaredSplits(context).includes(split))
      .map((split) => ({
        name: split,
        type: { artifact: 'dataset' },
        help: `the ${split} split`,
        ...dataOf(context, split),
      })),
  }),
  jobSettings: (context) => {
    const { folder: _folder, ...source } = sourceOf(context);
    const derive = context.settings['derive'];
    return { source, ...(isJsonObject(derive) && Object.keys(derive).length > 0 ? { derive } : {}) };
  },
  files: (context) => {
    const { folder } = sourceOf(context);
    return typeof folder === 'string' ? [{ name: 'folder', path: folder, at: ['source', 'folder'] }] : [];
  },
};

function sourceOf({ settings }: StageContext): JsonObject {
  return isJsonObject(settings['source']) ? settings['source'] : {};
}

/** The scenes are always labelled alike; other data is described in its folder. */
function dataOf(context: StageContext, split: string): { readonly data?: KnownData } {
  const { kind, folder, description, splits } = sourceOf(context);
  const { derive = null } = context.settings;
  if (kind === 'fashion-scenes') return { data: { targets: withDerived(scenes, derive) } };
  if (typeof folder !== 'string') return {};
  const written = isJsonObject(splits) ? splits[split] : undefined;
  const from = isJsonObject(written) ? written['from'] : undefined;
  return {
    data: {
      folder,
      description: typeof description === 'string' ? description : 'dataset.json',
      split: typeof from === 'string' ? from : split,
      derive,
    },
  };
}

const scenes: DataOutline = new Map([
  ['boxes', { kind: 'boxes', classes: 10 }],
  ['mask', { kind: 'mask', classes: 11 }],
]);

function declaredSplits(context: StageContext): readonly string[] {
  const source = sourceOf(context);
  const declared = source['counts'] ?? source['splits'];
  return isJsonObject(declared) ? Object.keys(declared) : [];
}
