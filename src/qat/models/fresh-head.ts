// A head with seeded weights for a backbone that is there already.
import { Random } from '../../support/random.ts';
import type { HeadGraph } from '../network/add-head.ts';
import type { Network } from '../network/network.ts';
import type { BoundaryShapes } from './foreign-head.ts';
import { writeHead } from './heads.ts';
import type { HeadSettings } from './heads.ts';
import { ModelWriter } from './model-writer.ts';

/** @throws NetworkError when no boundary tensor has the head's stride. */
export function freshHead(
  { input }: Pick<Network, 'input'>,
  name: string,
  settings: HeadSettings,
  boundary: BoundaryShapes,
  seed: number,
): HeadGraph {
  const [, height, width] = input.shape;
  const levels = [...boundary].flatMap(([value, [channels = 0, rows = 0, columns = 0]]) => {
    const stride = height / rows;
    return Number.isInteger(stride) && width / columns === stride ? [{ value, channels, stride }] : [];
  });
  const m = new ModelWriter(new Random(seed), `${name}.m`);
  const output = writeHead(m, name, settings, levels);
  const shape = ['N', settings.classes, height / settings.stride, width / settings.stride];
  return {
    nodes: m.b.nodes.map((node) => ({ ...node, name: `${name}.${node.name}` })),
    initializers: m.b.initializers,
    outputs: [{ name: output, dtype: 'float32', shape }],
  };
}
