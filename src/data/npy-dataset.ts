// A user's NPY arrays: uint8 images [N, C, H, W], [N, H, W] or [N, H, W, C], and targets in the packed data set's form.
import type { Dataset, Target } from './dataset.ts';
import { DataError } from './data-error.ts';
import { limited, readNormalisation } from './description.ts';
import type { DescribedPart, Opened } from './description.ts';
import { readArray, readTarget } from './packed-dataset.ts';
import { toPlanes } from './planes.ts';

/** @throws DataError naming the file and what is wrong with it. */
export async function openNpyDataset({ folder, name, image, targets, split, limit }: DescribedPart): Promise<Opened> {
  image.onlyKeys(['layout', 'scale', 'mean', 'std']);
  split.onlyKeys(['images', 'targets', 'groups']);
  const layout = image.has('layout') ? image.at('layout').oneOf(['NCHW', 'NHWC', 'NHW']) : 'NCHW';
  const file = split.at('images').string();
  const rank = layout === 'NHW' ? 3 : 4;
  const array = await readArray(
    folder,
    file,
    'uint8',
    Array.from({ length: rank }, () => undefined),
  );
  const sizes = array.shape as readonly [number, number, number, number];
  const [count, channels, height, width] =
    layout === 'NCHW'
      ? sizes
      : layout === 'NHW'
        ? [sizes[0], 1, sizes[1], sizes[2]]
        : [sizes[0], sizes[3], sizes[1], sizes[2]];
  if (count * channels * height * width === 0) throw new DataError(`${file} holds no images`);
  const bytes = array.data as Uint8Array;
  const read = new Map<string, Target>();
  for (const [target, description] of targets) {
    description.onlyKeys(['kind', 'classes', 'ignore']);
    const place = split.at('targets').at(target);
    place.onlyKeys(['file']);
    const json = description.with('file', place.at('file').string());
    read.set(target, await readTarget(folder, json, { count, height, width }));
  }
  const groups = split.has('groups')
    ? await readArray(folder, split.at('groups').string(), 'int32', [count])
    : undefined;
  const dataset: Dataset = {
    name,
    count,
    channels,
    height,
    width,
    images: layout === 'NHWC' ? toPlanes(bytes, count, channels, height * width) : bytes,
    normalisation: readNormalisation(image, channels),
    targets: read,
    ...(groups === undefined ? {} : { groups: groups.data as Int32Array }),
  };
  return { dataset: limited(dataset, limit), notes: [] };
}
