// The tables of docs/results/gates.md, out of gates.json.

const METRIC = { segmentation: 'mIoU', detection: 'mAP' };
const SWAPPED = ['float and w8a8, swapped', 'two seeds, swapped', 'one model, two samples'];

export function pageOf({ date, machine, command, note, tasks }) {
  return `${[
    '# How often gates are wrong',
    '',
    'Counted on stored outputs of real models: two float models and two calibrated ones (w8a8, w4a4), trained and measured by',
    '[bench/gates/models.json](../../bench/gates/models.json) on 4,000 gate scenes of FashionScenes. What their validations kept of each',
    'image is what gates are drawn from: each gate gets images of its own, with replacement, so the truth is the value over all 4,000.',
    "The metric is the program's (over all images it equals the validation's to the last bit), and so are the bootstrap and the gate.",
    '',
    `${date}, ${machine}; \`${command}\`.${note === undefined ? '' : ` ${note}`} The models are weak, being trained for three epochs; what they measure over all 4,000:`,
    '',
    '| | first float | second float (another seed) | w8a8 of the first | w4a4 of the first |',
    '| --- | ---: | ---: | ---: | ---: |',
    ...Object.entries(tasks).map(
      ([task, { values }]) =>
        `| ${METRIC[task]}, ${task} | ${['first-float', 'second-float', 'w8a8', 'w4a4'].map((model) => percent(values[model], 2)).join(' | ')} |`,
    ),
    '',
    '## Gates between equals',
    '',
    'Equals: for each image a coin says which of two models is called the candidate; or one model is measured on two samples. The gate',
    'asks whether the candidate is better (`"minImprovement": 0, "strict": true`). It is not, so every "yes" is wrong: with `confidence`',
    '0.95 at most 5 % may be, the bare threshold says it as a coin does. The last two columns ask whether 99 % are kept, which is true.',
    'Of 1,000 gates a share of 5 % has a standard error of 0.7 points.',
    '',
    '| task | equals | images | gates | replicates | "better", confidence 0.95 | "better", bare | "99 % kept", confidence 0.95 | "99 % kept", bare |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows(tasks, SWAPPED, ({ images, gates, replicates, better, keeps99 }) => [
      images,
      gates,
      replicates,
      share(better.confident),
      share(better.bare),
      share(keeps99.confident),
      share(keeps99.bare),
    ]),
    '',
    '## A loss of known size',
    '',
    'The candidate is w8a8 with the outputs of w4a4 on so many images as make the loss over all 4,000. "Seen": a gate with confidence 0.95',
    'finds the float model better. "99 % kept": at a loss of 1 % the truth lies on the bound, so with confidence at most 5 % may pass; at',
    '3 % none should.',
    '',
    '| task | loss | images | gates | replicates | seen, confidence 0.95 | "99 % kept", confidence 0.95 | "99 % kept", bare |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows(tasks, ['loss of 1 %', 'loss of 3 %'], ({ images, gates, replicates, worse, keeps99 }) => [
      images,
      gates,
      replicates,
      share(worse.confident),
      share(keeps99.confident),
      share(keeps99.bare),
    ]),
    '',
    '## Images that it takes',
    '',
    ...needed(tasks),
    '',
    '## Intervals against the truth',
    '',
    'How many of the 95 % intervals hold the value over all 4,000: of the metric itself and of the difference between candidate and',
    'reference, and the side on which the others miss it. "Mirrored": the same interval turned over at the point value (2 · point − bounds),',
    'which the program does not do; where it holds much more often the metric of a sample is biased. Widths are means, in points.',
    '',
    '| task | what | images | gates | replicates | metric: held | above the truth | below | mirrored | width | difference: held | above | below | mirrored | width |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...rows(tasks, [...SWAPPED, 'loss of 1 %', 'loss of 3 %'], ({ images, gates, replicates, value, difference }) => [
      images,
      gates,
      replicates,
      ...coverage(value),
      ...coverage(difference),
    ]),
    '',
    '## Film',
    '',
    'Dependence is simulated: a scene stays for a number of frames that is geometric with mean 8, as in a slow film, and so does the coin',
    'that swaps two seeds. Real film changes little by little; it was not at hand as stored outputs. `block` is `bootstrap.block`.',
    '',
    '| task | frames | block | gates | replicates | "better", confidence 0.95 | "better", bare | metric: held | width | difference: held | width |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...Object.entries(tasks).flatMap(([task, { arms }]) =>
      arms
        .filter(({ arm }) => arm === 'film')
        .map(({ counted: { images, block, gates, replicates, better, value, difference } }) =>
          line([
            task,
            images,
            block,
            gates,
            replicates,
            share(better.confident),
            share(better.bare),
            share(value.held),
            points(value.width),
            share(difference.held),
            points(difference.width),
          ]),
        ),
    ),
  ].join('\n')}\n`;
}

function rows(tasks, names, cells) {
  return Object.entries(tasks).flatMap(([task, { arms }]) =>
    names.flatMap((name) =>
      arms.filter(({ arm }) => arm === name).map(({ counted }) => line([task, name, ...cells(counted)])),
    ),
  );
}

/** Sides of a normal distribution: 5 % and 95 % of one, and half a 95 % interval. */
const [ONE_SIDED, TWO_SIDED] = [1.645, 1.96];

/** From the widths of the difference's intervals at a loss of 1 %, which fall with the root of the images. */
function needed(tasks) {
  const found = Object.entries(tasks).flatMap(([task, { arms }]) => {
    const largest = arms.filter(({ arm }) => arm === 'loss of 1 %').at(-1);
    if (largest === undefined) return [];
    const { truth, counted } = largest;
    const loss = truth.reference - truth.candidate;
    const deviation = (counted.difference.width / (2 * TWO_SIDED)) * Math.sqrt(counted.images);
    const often = (side) => Math.ceil((((ONE_SIDED + side) * deviation) / loss) ** 2 / 10) * 10;
    return [line([task, points(loss), points(deviation), often(0), often(0.842), often(ONE_SIDED)])];
  });
  return [
    'The deviation of the difference per image (half the width of its 95 % intervals at the largest size, over 1.96, times the root of the',
    'images) gives the images at which a loss of 1 % is seen with confidence 0.95 in half, 80 % and 95 % of all gates:',
    '((1.645 + z) · deviation / loss)². The table above counts the same.',
    '',
    '| task | loss, points | deviation per image, points | half | 80 % | 95 % |',
    '| --- | ---: | ---: | ---: | ---: | ---: |',
    ...found,
  ];
}

function line(cells) {
  return `| ${cells.join(' | ')} |`;
}

function coverage({ held, above, below, mirrored, width }) {
  return [share(held), share(above), share(below), share(mirrored), points(width)];
}

function share(value) {
  return percent(value, 1);
}

function points(value) {
  return (100 * value).toFixed(2);
}

function percent(value, digits) {
  return `${(100 * value).toFixed(digits)} %`;
}
