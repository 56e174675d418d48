// Boxes from COCO JSON (https://cocodataset.org/#format-data): images, annotations with bbox [x, y, width, height],
// categories. Segmentations, keypoints and crowd regions are not read.
import { DataError } from './data-error.ts';
import type { JsonReader } from './json-reader.ts';

export interface CocoBox {
  readonly label: number;
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
}

export interface CocoBoxes {
  /** File name as COCO has it → boxes in that image's own pixels. */
  readonly boxes: ReadonlyMap<string, readonly CocoBox[]>;
  /** Annotations left out: crowds, categories that are no class of the data set, empty boxes. */
  readonly leftOut: { readonly crowds: number; readonly otherCategories: number; readonly empty: number };
}

/** Categories are matched to `classes` by name. @throws DataError with the place in the file. */
export function readCoco(json: JsonReader, classes: readonly string[], file: string): CocoBoxes {
  const labels = new Map<number, number>();
  const names: string[] = [];
  for (const category of json.at('categories').items()) {
    const name = category.at('name').string();
    names.push(name);
    if (classes.includes(name)) labels.set(category.at('id').number(), classes.indexOf(name));
  }
  const missing = classes.filter((name) => !names.includes(name));
  if (missing.length > 0) {
    throw new DataError(`${file} has no category "${missing[0]}"`, `Its categories: ${names.join(', ')}.`);
  }
  const files = new Map<number, string>();
  for (const image of json.at('images').items()) files.set(image.at('id').number(), image.at('file_name').string());
  const boxes = new Map<string, CocoBox[]>([...files.values()].map((name) => [name, []]));
  const leftOut = { crowds: 0, otherCategories: 0, empty: 0 };
  for (const annotation of json.at('annotations').items()) {
    const label = labels.get(annotation.at('category_id').number());
    const [x, y, width, height] = annotation.at('bbox').numbers();
    const name = files.get(annotation.at('image_id').number());
    if (name === undefined) throw annotation.at('image_id').wrong('the id of an image of this file');
    if (x === undefined || y === undefined || width === undefined || height === undefined) {
      throw annotation.at('bbox').wrong('[x, y, width, height]');
    }
    if (annotation.has('iscrowd') && annotation.at('iscrowd').number() !== 0) leftOut.crowds++;
    else if (label === undefined) leftOut.otherCategories++;
    else if (!(width > 0 && height > 0)) leftOut.empty++;
    else boxes.get(name)?.push({ label, x0: x, y0: y, x1: x + width, y1: y + height });
  }
  return { boxes, leftOut };
}
