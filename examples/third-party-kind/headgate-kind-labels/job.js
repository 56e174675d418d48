// The program behind the stage kind `labels/check`: reads a table of boxes line by line and says how sound it is.
// It speaks headgate's job protocol, version 1: the folder with job.json is its last argument.
import { appendFileSync, createReadStream, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const HEADER = 'image,class,x,y,width,height';
const PROBLEMS_SHOWN = 20;
const ROWS_PER_EVENT = 500;

const folder = process.argv.at(-1);
const job = JSON.parse(readFileSync(join(folder, 'job.json'), 'utf8'));

// The last thing that is written, and only ever whole: without it the engine takes nothing.
function finish(result) {
  const draft = join(folder, 'result.json.draft');
  writeFileSync(draft, JSON.stringify({ protocol: 1, token: job.token, ...result }));
  renameSync(draft, join(folder, 'result.json'));
  process.exit(0);
}

function fail(reason, message, remedy) {
  finish({ status: 'failed', failure: { reason, message, ...(remedy === undefined ? {} : { remedy }) } });
}

if (job.protocol !== 1) fail('protocol', `this program speaks version 1 of the job protocol, not ${job.protocol}`);

// What is known after `rows` lines. Plain JSON, so that it is a resume state as it is.
const fresh = () => ({ rows: 0, boxes: 0, invalid: 0, duplicates: 0, images: {}, classes: {}, seen: {}, problems: [] });

function readState() {
  if (job.resumeFrom === undefined) return fresh();
  try {
    return { ...fresh(), ...JSON.parse(readFileSync(join(job.resumeFrom, 'state.json'), 'utf8')) };
  } catch {
    return fresh(); // a state that cannot be read is ignored: the work begins anew
  }
}

const state = readState();
const table = createReadStream(job.inputs.labels.path);
const lines = createInterface({ input: table, crlfDelay: Infinity });

// Asked to end (Ctrl-C, a replaced run), or the engine is gone: what is known so far is kept for the next attempt.
function interrupt() {
  const draft = join(folder, 'resume', 'state.json.draft');
  mkdirSync(join(folder, 'resume'), { recursive: true });
  writeFileSync(draft, JSON.stringify(state));
  renameSync(draft, join(folder, 'resume', 'state.json'));
  finish({ status: 'interrupted' });
}
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
process.stdin.on('end', interrupt).resume();

const { width: imageWidth, height: imageHeight, classes: allowed } = job.settings;

// What is wrong with a box, in words; undefined for a sound one.
function problemOf([image, label, ...numbers]) {
  if (numbers.length !== 4 || !image || !label) return `expected ${HEADER}`;
  if (allowed !== undefined && !allowed.includes(label)) return `"${label}" is not one of ${allowed.join(', ')}`;
  const [x, y, width, height] = numbers.map(Number);
  if (![x, y, width, height].every(Number.isFinite)) return 'a coordinate is not a number';
  if (width <= 0 || height <= 0) return 'the box is empty';
  if (x < 0 || y < 0 || x + width > imageWidth || y + height > imageHeight) return 'the box leaves the image';
  return undefined;
}

function take(line, number) {
  if (line.trim() === '') return;
  state.boxes++;
  const fields = line.split(',').map((field) => field.trim());
  const problem = problemOf(fields);
  if (problem !== undefined) {
    state.invalid++;
    if (state.problems.length < PROBLEMS_SHOWN) state.problems.push({ line: number, problem });
    return;
  }
  const [image, label] = fields;
  const box = fields.join(',');
  if (Object.hasOwn(state.seen, box)) state.duplicates++;
  state.seen[box] = 1;
  state.images[image] = 1;
  state.classes[label] = (state.classes[label] ?? 0) + 1;
}

let number = 0;
for await (const line of lines) {
  number++;
  if (number === 1 && line.trim() !== HEADER) fail('wrong-header', `the first line is not ${HEADER}`);
  if (number <= state.rows) continue; // counted by the attempt before
  if (number > 1) take(line, number);
  state.rows = number;
  if (number % ROWS_PER_EVENT === 0) {
    const event = { type: 'note', level: 'info', text: `${number} lines read` };
    appendFileSync(join(folder, 'events.jsonl'), `${JSON.stringify(event)}\n`);
  }
}
if (state.boxes === 0) fail('no-labels', 'the table holds no boxes', 'look at what writes it');

const counts = Object.values(state.classes);
const sound = counts.reduce((sum, count) => sum + count, 0);
const share = (part, whole) => (whole === 0 ? 0 : part / whole);
const values = {
  boxes: state.boxes,
  images: Object.keys(state.images).length,
  invalidShare: share(state.invalid, state.boxes),
  duplicateShare: share(state.duplicates, state.boxes),
  rarestClassShare: counts.length === 0 ? 0 : share(Math.min(...counts), sound),
};
writeFileSync(
  join(folder, 'out', 'metrics.json'),
  JSON.stringify({
    format: 'headgate-metrics',
    version: 1,
    task: 'labels',
    primary: 'invalidShare',
    values,
    units: {
      boxes: 'boxes',
      images: 'images',
      invalidShare: 'fraction',
      duplicateShare: 'fraction',
      rarestClassShare: 'fraction',
    },
    higherIsBetter: {
      boxes: true,
      images: true,
      invalidShare: false,
      duplicateShare: false,
      rarestClassShare: true,
    },
  }),
);
const sorted = Object.fromEntries(Object.entries(state.classes).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(
  join(folder, 'out', 'report.json'),
  JSON.stringify({ boxesPerClass: sorted, invalid: state.invalid, problems: state.problems }, null, 2),
);
finish({
  status: 'succeeded',
  outputs: { metrics: 'metrics.json', report: 'report.json' },
  summary: { boxes: state.boxes, invalid: state.invalid, duplicates: state.duplicates },
});
