// `dataset`: makes the data sets that stages read, one output per declared split.
import schema from '../../../schemas/stages/dataset.schema.json' with { type: 'json' };
import { isJsonObject } from '../../support/json.ts';
import type { JsonObject } from '../../support/json.ts';
import { jsonModule } from '../../support/json-module.ts';
import type { StageContext, StageKind } from '../stage-kind.ts';

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
      .map((split) => ({ name: split, type: { artifact: 'dataset' }, help: `the ${split} split` })),
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

function declaredSplits(context: StageContext): readonly string[] {
  const source = sourceOf(context);
  const declared = source['counts'] ?? source['splits'];
  return isJsonObject(declared) ? Object.keys(declared) : [];
}
