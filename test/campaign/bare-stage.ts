// A stage as the oracle evaluates it: nothing of the language is left but what is read, waited for and decided.
import type { Declared } from './pure-jobs.ts';

/** Port, stage, that stage's port. */
export type Read = readonly [port: string, stage: string, from: string];
export type After = { readonly id: string; readonly case?: string };

export interface BareStage {
  readonly id: string;
  readonly kind: 'job' | 'gate' | 'select' | 'best' | 'stop';
  readonly argv: readonly string[];
  readonly declared: Declared;
  readonly files: readonly string[];
  readonly reads: readonly Read[];
  readonly after: readonly After[];
  /** Gates: `first` holds from this score on, else `other`, which may be a failure. */
  readonly cases?: {
    readonly atLeast: number;
    readonly first: string;
    readonly other: string;
    readonly fails?: boolean;
  };
  /** Selections: the port, the gate, and what is forwarded at each case. */
  readonly oneOf?: {
    readonly port: string;
    readonly gate: string;
    readonly at: { readonly [name: string]: readonly [string, string] };
  };
}

/** One that the engine decides itself. */
export function engineStage(id: string, kind: BareStage['kind'], more: Partial<BareStage>): BareStage {
  return { id, kind, argv: [], declared: {}, files: [], reads: [], after: [], ...more };
}
