// Kinds that the planner takes apart before anything runs: no job, no key, no ports of their own.
export interface GroupKind {
  readonly kind: 'template' | 'loop';
  readonly summary: string;
}

export const groupKinds: readonly GroupKind[] = [
  {
    kind: 'template',
    summary: 'Uses a template: its stages, with these inputs and arguments, once per item of forEach.',
  },
  {
    kind: 'loop',
    summary: 'Repeats its body until a measured number is good enough, at most `maxIterations` times.',
  },
];
