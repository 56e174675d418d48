// What settled-run.test.ts runs: a folder copied, counted, judged and published, by commands that take no time.

export const WORKFLOW = {
  name: 'settles',
  include: ['part.json'],
  params: { word: 'one' },
  stages: {
    copy: {
      kind: 'command',
      with: {
        argv: ['sh', '-c', 'cat data/*.txt > "$0"; echo "$1" >> "$0"', '{output:out}', { $param: 'word' }],
        files: ['data', 'job.mjs'],
        outputs: { out: { type: 'file', path: 'out.txt' } },
      },
    },
    count: {
      kind: 'command',
      inputs: { text: 'copy.out' },
      with: {
        argv: [
          'sh',
          '-c',
          `printf '{"format":"headgate-metrics","version":1,"task":"t","primary":"n","values":{"n":%d},"units":{"n":"lines"},"higherIsBetter":{"n":true}}' $(wc -l < "$0") > "$1"`,
          '{input:text}',
          '{output:metrics}',
        ],
        outputs: { metrics: { type: 'metrics', path: 'metrics.json' } },
      },
    },
    gate: {
      kind: 'gate',
      inputs: { metrics: 'count.metrics' },
      cases: [
        { name: 'many', criteria: [{ metric: 'n', atLeast: 2 }] },
        { name: 'few', else: true },
      ],
    },
    published: {
      kind: 'command',
      after: 'gate:many',
      inputs: { text: 'copy.out' },
      with: { argv: ['cp', '{input:text}', '{output:out}'], outputs: { out: { type: 'file', path: 'out.txt' } } },
    },
  },
};
