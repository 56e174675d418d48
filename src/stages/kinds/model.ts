// `model`: builds the float network with its scopes named. Weights are drawn from the stage's seed.
import schema from '../../../schemas/stages/model.schema.json' with { type: 'json' };
import { isJsonObject, jsonText } from '../../support/json.ts';
import { jsonModule } from '../../support/json-module.ts';
import type { Finding, HeadOutline, StageContext, StageKind } from '../stage-kind.ts';

const strides: { readonly [kind: string]: number } = { heatmap: 4, dense: 2 };
/** Input pixels per cell of the backbone's coarsest level. */
const coarsest = 8;

export const model: StageKind = {
  kind: 'model',
  summary: 'builds the float network',
  settingsSchema: jsonModule(schema),
  runsOn: 'embedded',
  seeded: true,
  check: (context) => [...checkInput(context), ...checkStrides(context)],
  ports: (context) => ({
    inputs: [],
    outputs: [
      { name: 'model', type: { artifact: 'model' }, help: 'the network with initial weights', heads: headsOf(context) },
    ],
  }),
  jobSettings: ({ settings }) => settings,
};

function headsOf({ settings }: StageContext): readonly HeadOutline[] {
  return Object.entries(isJsonObject(settings['heads']) ? settings['heads'] : {}).map(([name, head]) => {
    const classes = isJsonObject(head) ? head['classes'] : undefined;
    return { name, ...(typeof classes === 'number' ? { classes } : {}) };
  });
}

function checkInput({ settings }: StageContext): readonly Finding[] {
  const shape = Array.isArray(settings['input']) ? (settings['input'] as readonly number[]) : [];
  return shape.flatMap((size, index) =>
    index === 0 || size % coarsest === 0
      ? []
      : [
          {
            path: ['input', index],
            message: `the image's ${index === 1 ? 'height' : 'width'} must be divisible by ${coarsest}`,
          },
        ],
  );
}

function checkStrides({ settings }: StageContext): readonly Finding[] {
  const heads = isJsonObject(settings['heads']) ? Object.entries(settings['heads']) : [];
  return heads.flatMap(([name, head]) => {
    const stride = isJsonObject(head) ? strides[jsonText(head['kind'])] : undefined;
    if (stride === undefined || !isJsonObject(head) || head['stride'] === stride) return [];
    return [{ path: ['heads', name, 'stride'], message: `a ${jsonText(head['kind'])} head has stride ${stride}` }];
  });
}
