// Figure 1: nothing to do, whole process. At 1,000 stages beside the peers; at 10,000 headgate, and peers where that is feasible.
//
//   node bench/engine/no-op.mjs [--shapes fan,chain] [--stages 1000] [--large 10000] [--repeat 5] [--limit 60] [--setup-limit 420] [--save]
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Contestant, contestants, doubt, inTurns, lastWrite, SLOW } from './contest.mjs';
import { isMain, runAlone } from './figure.mjs';
import { mebibytes, median, millis, seconds } from './stats.mjs';
import { makeStages } from './workload.mjs';

const SHAPES = { fan: 'fan-out', chain: 'chain' };

export const noOp = {
  key: 'no-op',
  number: 1,
  title: 'Nothing to do',
  target:
    'at 1,000 stages, chain and fan-out, at most 300 ms (median, whole process) and 120 MB RSS; at 10,000 at most 2 s.',
  options: {
    shapes: { type: 'string', default: 'fan,chain' },
    stages: { type: 'string', default: '1000' },
    large: { type: 'string', default: '10000' },
    repeat: { type: 'string', default: '5' },
    limit: { type: 'string', default: '60' },
    'setup-limit': { type: 'string', default: '420' },
    'large-setup-limit': { type: 'string', default: '90' },
  },
  async measure(bench) {
    const { options } = bench;
    const field = contestants(bench);
    const limits = { run: 1000 * options.limit, setup: 1000 * options['setup-limit'] };
    const results = [];
    for (const shape of options.shapes.split(',')) {
      const small = await round(bench, field.tools, {
        shape,
        stages: +options.stages,
        repeat: +options.repeat,
        limits,
      });
      const feasible = small.filter(({ name, settledMs, trouble }) => {
        const expected = (settledMs * options.large) / options.stages;
        return name === 'headgate' || (trouble === undefined && expected < 1000 * options['large-setup-limit']);
      });
      const large = await round(
        bench,
        feasible.map(({ tool }) => tool),
        {
          shape,
          stages: +options.large,
          repeat: Math.min(3, +options.repeat),
          limits: {
            run: limits.run,
            setup: (name) => (name === 'headgate' ? limits.setup : 2000 * options['large-setup-limit']),
          },
        },
      );
      results.push(...small.map((one) => ({ ...one, large: large.find(({ name }) => name === one.name) })));
    }
    return conclude(results, field, options, bareNodeMs());
  },
};

/** The part of headgate's time that is Node's own start and end. */
function bareNodeMs() {
  const once = () => {
    const began = performance.now();
    spawnSync(process.execPath, ['-e', '0']);
    return performance.now() - began;
  };
  return median(Array.from({ length: 9 }, once));
}

/** All tools on one shape and size: made ready one after the other, then measured in turns. */
async function round({ scratch, say }, tools, { shape, stages, repeat, limits }) {
  const workload = makeStages({ stages, shape });
  const ready = tools.map((tool) => new Contestant(tool, join(scratch, `${shape}-${stages}`), workload));
  for (const one of ready) {
    const setup = typeof limits.setup === 'function' ? limits.setup(one.name) : limits.setup;
    await one.attempt(async () => {
      one.write();
      one.settledMs = (await one.settle(setup)).ms;
      // The first run after it may still tidy up.
      await one.run({ limitMs: limits.run });
      one.written = lastWrite(one);
    });
    say(`${shape} ${stages} ${one.name}: ${one.trouble ?? `made ready in ${seconds(one.settledMs)}`}`);
  }
  await inTurns(ready, repeat, (one) => one.run({ limitMs: limits.run }));
  return ready.map((one) => {
    one.stop();
    one.trouble ??= doubt(one, one.written);
    const { name, tool, trouble, settledMs, summary, rss } = one;
    say(`${shape} ${stages} ${name}: ${trouble ?? seconds(summary.median)}`);
    return { shape, stages, name, tool, trouble, settledMs, summary, rss };
  });
}

function conclude(results, { missing, versions }, options, bareMs) {
  const own = results.filter(({ name }) => name === 'headgate');
  const worst = Math.max(...own.map(({ summary }) => summary.median));
  const worstLarge = Math.max(...own.map(({ large }) => large.summary.median));
  const rss = Math.max(...own.map((one) => one.rss));
  const faster = results.filter(({ shape, name, summary }) => {
    const mine = own.find((one) => one.shape === shape);
    return name !== 'headgate' && summary.median < mine.summary.median;
  });
  return {
    met: worst <= 300 && rss <= 120e6 && worstLarge <= 2000,
    headline: `${own.map(({ shape, summary }) => `${SHAPES[shape]} ${seconds(summary.median)}`).join(', ')} at ${options.stages}; ${own.map(({ shape, large }) => `${SHAPES[shape]} ${seconds(large.summary.median)}`).join(', ')} at ${options.large}; RSS ${mebibytes(rss)}.`,
    tables: options.shapes.split(',').map((shape) => ({
      caption: `Nothing to do, ${SHAPES[shape]}, whole process: median (smallest to largest)`,
      columns: ['tool', `${options.stages} stages`, 'largest RSS', `${options.large} stages`, 'RSS there'],
      rows: results.filter((one) => one.shape === shape).map(tableRow),
    })),
    versions,
    notes: [
      ...new Set(results.flatMap(({ name, tool }) => (tool.choice === undefined ? [] : [`${name}: ${tool.choice}.`]))),
      ...missing,
      `Median of ${options.repeat} in turns; of ${SLOW.repeat} where one takes over ${SLOW.overMs / 1000} s.`,
      `Of headgate's time Node's own start and end is ${millis(bareMs)}: \`node -e 0\`, median of 9.`,
      `A dash: its first run would take over ${options['large-setup-limit']} s there. RSS is that of the largest process, not a sum; a daemon's own memory is not in it.`,
    ],
    loses: faster.map(({ name, shape }) => `${name} is faster on the ${SHAPES[shape]}`),
    values: results.map(({ tool: _, large, ...one }) => ({ ...one, large: large && { ...large, tool: undefined } })),
  };
}

function tableRow({ name, trouble, summary, rss, large }) {
  const time = (one) =>
    one === undefined
      ? '–'
      : (one.trouble ?? `${seconds(one.summary.median)} (${seconds(one.summary.min)} to ${seconds(one.summary.max)})`);
  return [name, time({ trouble, summary }), mebibytes(rss), time(large), mebibytes(large?.rss)];
}

if (isMain(import.meta.url)) await runAlone(noOp);
