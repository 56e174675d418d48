// What a gate looked at and how it came out, as its verdict keeps it. Values only.
import type { Rule, VerdictCondition } from '../plan/plan.ts';
import type { Interval } from './gate-interval.ts';

export type CriterionEvidence = {
  readonly case: string;
  readonly head: string;
  /** Of several evaluation sets. */
  readonly set?: string;
  readonly metric: string;
  /** With `worstClass`: the class with the least margin, whose numbers these are. */
  readonly class?: string;
  readonly unit: string | null;
  readonly value: number;
  readonly reference: number | null;
  /** Of the reference, as the rule asks for it; null where no percent is asked. */
  readonly percent: number | null;
  readonly rule: Rule;
  readonly threshold: number;
  /** The bound itself was not enough. Not written for `percentOfReference`: verdicts of that rule never had it. */
  readonly strict?: true;
  /** How far inside (positive) or outside the threshold, in the threshold's own unit. */
  readonly margin: number;
  /** Of the margin over bootstrap replicates, where there are any; it decides nothing. */
  readonly interval?: Interval;
  /** The margin that is exceeded with this confidence, which decides. */
  readonly confidence?: { readonly level: number; readonly margin: number };
  readonly hysteresis?: {
    readonly below: number;
    readonly iterations: number;
    /** Iterations in a row that stayed within `below`, from one that met the bound to this one; 0 if there is none. */
    readonly row: number;
  };
  readonly held: boolean;
};

export type ExpressionEvidence = {
  readonly case: string;
  readonly head: string;
  readonly rule: 'expression';
  readonly expression: string;
  /** The numbers that it names. */
  readonly read: { readonly [path: string]: number };
  /** The bootstrap bounds that it takes, by their text. */
  readonly bounds?: { readonly [call: string]: number };
  readonly held: boolean;
};

export type VerdictEvidence = {
  readonly case: string;
  readonly rule: 'verdicts';
  readonly asked: VerdictCondition;
  /** Key → the case that this verdict chose. */
  readonly decided: { readonly [key: string]: string };
  readonly held: boolean;
};

export type TimeEvidence = {
  readonly case: string;
  readonly rule: 'longerThan';
  /** Of the loop's iterations so far, as their records say. */
  readonly spentMs: number;
  readonly budgetMs: number;
  readonly held: boolean;
};

/** One thing that the gate expects, and whether it was so. */
export type ExpectationEvidence = {
  readonly case: string;
  readonly head: string;
  readonly set?: string;
  readonly rule: 'expectation';
  /** What was compared: the reference's task, images, data or value, or (`improvement`) by how many percent of it the candidate is better. */
  readonly what: 'task' | 'images' | 'data' | 'value' | 'improvement';
  readonly metric?: string;
  /** null where nothing says it. */
  readonly found: string | number | null;
  readonly expected: string | number;
  readonly tolerance?: number;
  readonly held: boolean;
};

export type EvidenceLine =
  ExpectationEvidence | CriterionEvidence | ExpressionEvidence | VerdictEvidence | TimeEvidence;
