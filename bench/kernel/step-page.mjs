// The page of the race of training steps: ratios, what missed its target, and profiles of that.
const COMPILE_TARGET_MS = 2000;

/** Every target of every row: what was asked, what came out. */
export function ratiosOf(rows) {
  return rows
    .filter(({ tool }) => tool === 'headgate')
    .flatMap((row) => {
      const over = (other, target, against) => {
        const ratio = row.ms / other.ms;
        return {
          network: row.network,
          threads: row.threads,
          label: row.label,
          against,
          ratio,
          target,
          met: ratio <= target,
        };
      };
      const peer = find(rows, row, { tool: 'PyTorch' });
      if (row.label === 'float') return [over(peer, 1.2, "PyTorch's float step")];
      return [
        over(peer, 1, "PyTorch's QAT step"),
        over(find(rows, row, { label: 'float' }), 1.25, 'its own float step'),
      ];
    });
}

function verdict({ rows, compiled }) {
  const all = ratiosOf(rows);
  const missed = all.filter(({ met }) => !met);
  return [
    `${all.length - missed.length} of ${all.length} ratios are within their targets${missed.length === 0 ? '.' : '; missed:'}`,
    ...(missed.length === 0 ? [] : ['']),
    ...missed.map(
      ({ network, threads, label, against, ratio, target }) =>
        `- ${network}, ${threads === 1 ? 'one thread' : `${threads} threads`}, ${label}: ${ratio.toFixed(2)} times ${against} (${target})`,
    ),
    '',
    ...compileText(compiled),
    '',
  ];
}

export function compileText({ nodes, trainingNodes, compileMs, programMs, sessionMs, processes, apart }) {
  const [all, program, session] = [compileMs, programMs, sessionMs].map((ms) => (ms / 1000).toFixed(2));
  const met = compileMs <= COMPILE_TARGET_MS ? 'met' : '**missed**';
  return [
    `Compiling (prepare, differentiate, session) the QAT step of a float graph of ${nodes} nodes: ${all} s, median of ${processes}`,
    `processes${apart === undefined ? '' : ` (${apart})`}; target 2 s, ${met}. Of it, making the training graph of ${trainingNodes} nodes takes ${program} s (a session over`,
    `the model alone, that tells its shapes, included) and onnxruntime's session over that graph ${session} s.`,
  ];
}

function profileTables({ profiles }) {
  if (profiles.length === 0) return [];
  const lines = [
    '## Where the missed steps spend their time',
    '',
    "Milliseconds a step by operator (onnxruntime's own profile, a run of its own). Where a second thread gains, it is in Conv and",
    'FusedMatMul; Slice, Pad, batch norm and the reductions gain nothing or lose. The weight gradient of a convolution is made of',
    'shifted copies (Slice) and products, so a step has many operators that do not gain.',
    '',
  ];
  for (const { network, label, operators } of profiles) {
    const [one, two] = operators.map((found) => new Map(found));
    lines.push(`| ${network}, ${label} | one thread | two threads | gain |`, '| --- | --- | --- | --- |');
    for (const [operator, ms] of one) {
      const other = two.get(operator);
      if (other === undefined) continue;
      lines.push(`| ${operator} | ${ms.toFixed(1)} ms | ${other.toFixed(1)} ms | ${(ms / other).toFixed(2)} |`);
    }
    lines.push('');
  }
  return lines;
}

function find(rows, row, change) {
  return rows.find(({ network, threads, tool, label }) => {
    const key = { network: row.network, threads: row.threads, tool: row.tool, label: row.label, ...change };
    return network === key.network && threads === key.threads && tool === key.tool && label === key.label;
  });
}

export function pageOf(results) {
  const { rows, machine, command, date, memory } = results;
  const lines = [
    '| network | threads | step | headgate | PyTorch | headgate over PyTorch | headgate over its float step | PyTorch over its float step | peak, headgate | peak, PyTorch |',
    `|${' --- |'.repeat(10)}`,
  ];
  for (const row of rows.filter(({ tool }) => tool === 'headgate')) {
    const peer = find(rows, row, { tool: 'PyTorch' });
    const [float, peerFloat] = [find(rows, row, { label: 'float' }), find(rows, peer, { label: 'float' })];
    lines.push(
      `| ${row.network} | ${row.threads} | ${row.label} | ${row.ms.toFixed(1)} ms | ${peer.ms.toFixed(1)} ms | ${(row.ms / peer.ms).toFixed(2)} | ${(row.ms / float.ms).toFixed(2)} | ${(peer.ms / peerFloat.ms).toFixed(2)} | ${Math.round(row.mebibytes)} MiB | ${Math.round(peer.mebibytes)} MiB |`,
    );
  }
  return [
    "# The kernel's speed",
    '',
    `Made by \`${command}\` on ${date} UTC; ${machine}.`,
    '',
    'Medians of whole steps: forward, loss, backward, SGD with momentum. "follow": batch norms train and ranges follow (PyTorch:',
    '`prepare_qat_fx` with its default configuration for x86); "fixed": statistics and scales frozen (observers disabled,',
    '`freeze_bn_stats`). 8 bits, weights per channel. Targets: QAT at most 1.25 times the float step; QAT at most 1.0 times and',
    "float at most 1.2 times PyTorch's.",
    '',
    ...lines,
    '',
    ...verdict(results),
    `Resident memory of a small network's training process after 100 steps ${memory.after100.toFixed(0)} MiB, after 1,000 ${memory.after1000.toFixed(0)} MiB.`,
    '',
    ...profileTables(results),
  ].join('\n');
}
