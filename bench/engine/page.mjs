// The page of results from engine.json: a summary, then every figure with its tables.
//
//   node bench/engine/page.mjs [--from docs/results/engine.json]     writes engine.md beside it
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { readResults, resultsFile } from './figure.mjs';
import { figureText, tableRow } from './page-text.mjs';

const { values: options } = parseArgs({ options: { from: { type: 'string', default: resultsFile } } });
const figures = Object.values(readResults(options.from)).sort((left, right) => left.number - right.number);
if (figures.length === 0) throw new Error(`${options.from} holds no results; node bench/engine/all.mjs makes them`);
writeFileSync(join(dirname(options.from), 'engine.md'), page());

function page() {
  const machines = [...new Set(figures.map(({ machine, fileSystem }) => `${machine}, ${fileSystem}`))];
  return [
    '# The engine, measured',
    '',
    `Made by \`node bench/engine/all.mjs\` and rendered by \`node bench/engine/page.mjs\`; how to repeat it is in [bench/README.md](../../bench/README.md). ${machines.length === 1 ? 'Machine' : 'Machines, named at each figure and of different speed'}: ${machines.join('; ')}.`,
    '',
    'Times are of whole processes, from before the start to after the end, by the kernel: medians, with the smallest and the largest. Headgate and its peers ran the same generated workload in turns, each peer in the newest version of its registry (and Snakemake as Debian has it too), set up as its documentation recommends. Load is the 1, 5 and 15 minute average of a machine with two cores: above 1 before a figure, something else ran.',
    '',
    tableRow(['figure', 'target', 'result', '']),
    tableRow(['---', '---', '---', '---']),
    ...figures.map(({ number, title, target, headline, met }) =>
      tableRow([`${number}. ${title}`, target, headline, met === null ? 'not measured' : met ? 'met' : '**not met**']),
    ),
    '',
    ...unmeasured(),
    '## Where headgate loses',
    '',
    ...losses(),
    '',
    ...figures.map(figureText),
  ]
    .join('\n')
    .replace(/\n{3,}/g, '\n\n');
}

/** Figures that have a command here and no record; 5 to 7 are campaigns, and of 6 the cost is measured here. */
function unmeasured() {
  const missing = [1, 2, 3, 4, 6, 8, 9, 10, 11].filter((number) => figures.every((figure) => figure.number !== number));
  const campaigns =
    'Figures 5 to 7 are campaigns ([campaign.md](campaign.md)): `npm run campaign`, and a short form of each in the tests.';
  const named = missing.map((number) => (number === 6 ? 'what verification costs (figure 6)' : `figure ${number}`));
  const words = named.length === 0 ? '' : `Not measured at full size so far: ${named.join(' and ')}. `;
  return [`${words}${campaigns}`, ''];
}

function losses() {
  const lines = figures.flatMap(({ number, loses = [] }) => loses.map((words) => `- Figure ${number}: ${words}.`));
  return lines.length > 0 ? lines : ['To none of the peers measured here, in what is measured here.'];
}
