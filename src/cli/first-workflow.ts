// The workflow that `headgate init` writes: two commands, a gate on what one of them measured, and both of its outcomes.

export function firstWorkflow(schema: string | undefined): string {
  const document = {
    ...(schema === undefined ? {} : { $schema: schema }),
    name: 'first',
    description: 'Writes a text, counts its words, and publishes it only if a gate finds it long enough.',
    params: { text: 'Quantise the backbone first, then one head after the other.', minimumWords: 5 },
    stages: {
      write: {
        kind: 'command',
        with: {
          argv: ['sh', '-c', 'printf "%s\\n" "$1" > "$0"', '{output:text}', { $param: 'text' }],
          outputs: { text: { type: 'file', path: 'text.txt' } },
        },
      },
      count: {
        kind: 'command',
        inputs: { text: 'write.text' },
        with: {
          argv: ['sh', '-c', COUNT, '{input:text}', '{output:metrics}'],
          outputs: { metrics: { type: 'metrics', path: 'metrics.json' } },
        },
      },
      'long-enough': {
        kind: 'gate',
        inputs: { metrics: 'count.metrics' },
        cases: [
          { name: 'yes', criteria: [{ metric: 'words', atLeast: { $param: 'minimumWords' } }] },
          { name: 'no', else: true },
        ],
      },
      publish: {
        kind: 'command',
        after: 'long-enough:yes',
        inputs: { text: 'write.text' },
        with: {
          argv: ['cp', '{input:text}', '{output:text}'],
          outputs: { text: { type: 'file', path: 'published.txt' } },
        },
      },
      'too-short': {
        kind: 'stop',
        after: 'long-enough:no',
        with: { reason: 'The text is too short: set "text" to a longer one, or "minimumWords" lower.' },
      },
    },
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

const COUNT =
  `words=$(wc -w < "$0"); printf '{"format": "headgate-metrics", "version": 1, "task": "text", "primary": "words", ` +
  `"values": {"words": %d}, "units": {"words": "words"}, "higherIsBetter": {"words": true}}' "$words" > "$1"`;
