// The results of the campaigns as a page for people. Numbers come from campaign.json; nothing here is typed in.
export function campaignPage(results) {
  const parts = Object.entries(SECTIONS).flatMap(([name, section]) =>
    results[name] === undefined ? [] : [section(results[name]), remarks(results[name]), `${madeBy(results[name])}\n`],
  );
  return `# Campaigns: crashes, bit flips, edits, containers, frozen scopes\n\n${parts.join('\n')}`;
}

const MOST_CHARACTERS = 240;

/** A fault may quote what a program printed; campaign.json has all of it. */
function firstWords(fault) {
  const line = fault.replace(/\s+/g, ' ');
  return line.length <= MOST_CHARACTERS ? line : `${line.slice(0, MOST_CHARACTERS)} …`;
}

/** Every fault in its own first words; notes are added by whoever looked for the cause. */
function remarks({ faults, notes = [] }) {
  return [...faults.map(firstWords), ...notes].map((line) => `- ${line}\n`).join('');
}

function madeBy({ command, date, machine, fileSystem, node, headgate, load, seed }) {
  const again = command.includes('--seed') ? '' : `; its seed was ${seed}`;
  const when = `${date.slice(0, 16).replace('T', ' ')} UTC`;
  return `Made by \`${command}\`${again}, on ${when}; ${machine}, ${fileSystem}, load ${load[0]} before; Node ${node}, headgate ${headgate}.`;
}

const SECTIONS = {
  crash: ({ kills, worlds, commands, seconds, attempts, troubles, hits, faults }) => `## Kills at random moments

${kills} SIGKILLs in ${worlds} projects (${words(troubles)}), ${commands} commands, ${Math.round(seconds)} s. The workflow
mixes programs with folders of 40 files, gates, joins, a fan-out, a program that fails every other time and trainings of a
tiny network. After every kill the same command is given again until it ends by itself.

- wrong restores, manual steps, leftovers, attempts lost beyond the one that was hit: **${faults.length}**
- attempts: ${attempts.started} started, ${attempts.succeeded} ended well, ${attempts.continued} went on from a saved state

${table('what the engine was at', hits)}`,
  flips: ({ damages, seconds, kinds, faults }) => `## Damage in the store

${damages} single damages (a flipped bit, a cut, a deletion; half of the flips with size and times put back), each followed by
a run that has to read what was damaged, ${Math.round(seconds)} s. Believed: **${faults.length}**.

${table('damaged', kinds)}`,
  seals: ({ flips, others, old, seconds, faults }) => `## Damage in what is told of past runs

${flips} flips in a journal (every byte of it), ${others} other damages (lines lost, doubled and swapped, ends cut, blocks zeroed
and written over), ${old} flips in a journal of the form before there were seals, ${Math.round(seconds)} s; after each \`runs\`, \`status\`, \`diff\` and
\`resume\` read the store. Obeyed, not told, or told with a stack: **${faults.length}**.
`,
  mutations: ({ mutations, workflows, seconds, edits, stages, sure, faults }) => `## Plan equals run

${mutations} random edits of ${workflows} random workflows, ${Math.round(seconds)} s; ${stages} stages were announced, ${((100 * sure) / stages).toFixed(1)} % of
them with certainty. Executed otherwise than announced, executed without need or not executed in spite of need, or without
a named cause: **${faults.length}**.

${list('edit', edits)}`,
  concurrency: ({ rounds, engines, kills, seconds, computed, keys, doubles, faults }) => `## Engines on one store

${rounds} rounds of ${engines} engines at once, ${kills} of them killed, ${Math.round(seconds)} s. ${keys} keys were computed by ${computed} jobs.
Keys that more than one engine computed: ${doubles}. Wrong outputs, engines that did not end well, leftovers: **${faults.length}**.
`,
  namespaces: ({ rounds, commands, kills, seconds, meetings, faults }) => `## Engines in two containers

${rounds} rounds, ${Math.round(seconds)} s. One engine works in pid, mount and UTS namespaces of its own; ${commands} commands in others meet it on its
store, and ${kills} of the first engines are killed with their container. Wrong outputs, keys computed twice, engines that did
not end well, leftovers: **${faults.length}**.

${table('what the others did', meetings)}`,
  freeze: ({ mutations, clean, seconds, caught, faults }) => `## What moves in a frozen scope

${mutations} mutations of a backbone, head or merged model that has to stay as it was (profiles w8a8, w8a16, w4a4), each before
headgate's own proof, and ${clean} clean runs with training steps between, ${Math.round(seconds)} s. Not caught, not named, or
alleged without reason: **${faults.length}**.

${list('caught and named', caught)}`,
};

function words(counts) {
  return Object.entries(counts)
    .map(([name, count]) => `${count} with ${name}`)
    .join(', ');
}

function table(first, rows) {
  const columns = [...new Set(Object.values(rows).flatMap((row) => Object.keys(row)))].sort();
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const body = Object.entries(rows)
    .sort(([left], [right]) => (left < right ? -1 : 1))
    .map(([name, row]) => line([name, ...columns.map((column) => row[column] ?? 0)]));
  return [line([first, ...columns]), line([':--', ...columns.map(() => '--:')]), ...body, ''].join('\n');
}

function list(first, counts) {
  return table(first, Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, { times: count }])));
}
