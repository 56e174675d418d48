// Which folder of src/ may import which, and why where it is not plain. The only place that says it for machines;
// docs/architecture.md says it for people.

/** In the order data passes: a folder may import only folders above it in this list, and only those named. */
export const layers: { readonly [folder: string]: readonly string[] } = {
  support: [],
  process: ['support'],
  diagnostics: ['support'],
  events: ['support'],
  spec: ['support', 'diagnostics'],
  expression: ['support', 'diagnostics'],
  data: ['support'],
  qat: ['support'],
  stages: ['support', 'events', 'diagnostics', 'expression'],
  // What scripts import, read from their text.
  imports: ['support'],
  plan: ['support', 'events', 'diagnostics', 'spec', 'expression', 'imports', 'stages'],
  // Locks name the process that holds them.
  store: ['support', 'events', 'process'],
  execute: ['support', 'events', 'process', 'expression', 'plan', 'stages', 'store'],
  // They implement the port that execute/ declares.
  executors: ['support', 'events', 'process', 'execute'],
  backends: ['support', 'events', 'qat', 'data'],
  report: ['support', 'events', 'store'],
  // Decides when to plan again and which run takes over; loading, forecasting and starting are handed in.
  watch: ['support', 'events', 'diagnostics', 'plan', 'execute'],
  // What both composition roots start from: the installation, a file as a plan, the asked-for stages, runs of the past.
  compose: ['support', 'events', 'diagnostics', 'plan', 'stages', 'store', 'execute', 'report'],
  // Words for values that execute/ and compose/ decide (causes, forecasts), store/ finds in itself, watch/ tells and report/ folds;
  // no behaviour of theirs.
  console: ['support', 'events', 'diagnostics', 'store', 'execute', 'watch', 'report', 'compose'],
  // The composition root of programs that import headgate: no words, no terminal.
  library: [
    'support',
    'events',
    'diagnostics',
    'spec',
    'plan',
    'stages',
    'store',
    'execute',
    'executors',
    'report',
    'compose',
  ],
  // The composition root of the command line.
  cli: [
    'support',
    'events',
    'process',
    'diagnostics',
    'spec',
    'plan',
    'stages',
    'store',
    'execute',
    'executors',
    'watch',
    'qat',
    'report',
    'console',
    'compose',
  ],
};
