// What is hardly meant in a data set that can be used: said as warnings with names and counts, because each of it has a use.
// What cannot be used at all is refused by check-dataset.ts.
import { normalisationDoubt } from '../support/normalisation-doubts.ts';
import { boxColumns, boxRow, type BoxTarget, type Dataset, type Target } from './dataset.ts';

/** Splits that figures are measured on: a class that is not there weighs on no decision, and has no figure. */
const MEASURED: readonly string[] = ['gate', 'report'];
/** The largest value of 12-bit images that were divided by 256 as if they had 16: four bits are left. */
const FOUR_BITS = 15;
/** Fewer dark images than this share are night, or a covered lens. */
const MANY = 0.1;
/** Annotation tools round corners; what reaches further was drawn for another size of the image. */
const EDGE = 1;

/** Sentences about one split, the gravest first. */
export function dataDoubts(split: string, dataset: Dataset): readonly string[] {
  return [
    ...darkImages(split, dataset),
    ...[...dataset.targets].flatMap(([name, target]) => [
      ...(MEASURED.includes(split) ? missingClasses(split, name, target, dataset.count) : []),
      ...(target.kind === 'boxes' ? boxesOverEdge(split, name, target, dataset) : []),
    ]),
  ];
}

/** One sentence where mean and std are in other units than the pixels; it holds for every split. */
export function normalisationNotes({ normalisation: { scale, mean, std } }: Dataset): readonly string[] {
  const doubt = normalisationDoubt(scale, mean, std);
  return doubt === undefined ? [] : [`the normalisation is hardly meant so: ${doubt.message}; ${doubt.help}`];
}

function missingClasses(split: string, name: string, target: Target, images: number): readonly string[] {
  if (target.kind === 'values') return [];
  const counts = new Uint32Array(256 + target.classes.length);
  const add = (label: number): void => {
    counts[label] = (counts[label] ?? 0) + 1;
  };
  if (target.kind === 'boxes') for (let row = 0; row < rowsOf(target); row++) add(boxRow(target.rows, row)[1]);
  else for (const label of target.values) add(label);
  const missing = target.classes.filter((_, label) => counts[label] === 0);
  if (missing.length === 0) return [];
  const named = missing.map((one) => `"${one}"`).join(', ');
  return [
    `${missing.length} of the ${target.classes.length} classes of target "${name}" never occur in the ${images} images of split "${split}": ${named}; what is measured on it says nothing of them`,
  ];
}

function darkImages(split: string, { images, count }: Dataset): readonly string[] {
  const each = images.length / count;
  const dark: number[] = [];
  let brightest = 0;
  for (let image = 0; image < count; image++) {
    const most = brightestOf(images.subarray(image * each, (image + 1) * each));
    if (most > FOUR_BITS) continue;
    dark.push(image);
    brightest = Math.max(brightest, most);
  }
  // Black images are no clipped ones: nothing is left in them of any scale.
  if (brightest === 0 || dark.length < count * MANY) return [];
  return [
    `${dark.length} of the ${count} images of split "${split}" hold no value above ${brightest} of 255 (the first is number ${dark[0]}): 12 bits that were divided by 256 as if they were 16 look like this; divide them by 16`,
  ];
}

/** Looks no further than a value that settles the question. */
function brightestOf(image: Uint8Array): number {
  let most = 0;
  for (const value of image) {
    if (value > FOUR_BITS) return value;
    if (value > most) most = value;
  }
  return most;
}

function boxesOverEdge(split: string, name: string, target: BoxTarget, { width, height }: Dataset): readonly string[] {
  const over: number[] = [];
  for (let row = 0; row < rowsOf(target); row++) {
    const [, , x0, y0, x1, y1] = boxRow(target.rows, row);
    if (x0 < -EDGE || y0 < -EDGE || x1 > width + EDGE || y1 > height + EDGE) over.push(row);
  }
  const [first] = over;
  if (first === undefined) return [];
  const [image, , ...corners] = boxRow(target.rows, first);
  return [
    `${over.length} of the ${rowsOf(target)} boxes of target "${name}" reach out of their image in split "${split}" (the first is [${corners.join(', ')}] in image ${image} of ${width}×${height}): look whether they were drawn for another size`,
  ];
}

function rowsOf({ rows }: BoxTarget): number {
  return rows.length / boxColumns;
}
