// What a random workflow is drawn as: parts with numbers that edits turn. What they come to is in write-part.ts.

export const PART_KINDS = [
  'job',
  'waiter',
  'branch',
  'fan',
  'zip',
  'halt',
  'use',
  'sweep',
  'nest',
  'loop',
  'guard',
] as const;

/** A part of a workflow, by what it is made of; `label` is what it is whatever it is called. */
export interface Part {
  readonly label: string;
  readonly kind: (typeof PART_KINDS)[number];
  /** Added to names: changed by renaming. */
  readonly suffix: string;
  /** One per program of the part; from ITEM_KNOB on, one per item of its fan-out. */
  readonly knobs: readonly number[];
  readonly notes: readonly number[];
  /** The knob of the first program comes from this parameter. */
  readonly param?: number;
  readonly threshold: number;
  /** Results of earlier parts that it reads, by label. */
  readonly reads: readonly string[];
  /** How several results are read: a port for each, or one port for all, under numbers or under keys. */
  readonly joined: 'apart' | 'all' | 'collect';
  readonly file?: number;
  readonly retry: number;
  /** Of a fan-out, 1 to 4. */
  readonly items: number;
  /** Of a loop, 1 to 4 iterations. */
  readonly bound: number;
  readonly exhausted: 'last' | 'best' | 'stop' | 'fail';
  /** Whether each iteration is told its number: else one may repeat what an earlier one did. */
  readonly numbered: boolean;
  /** Whether a loop's body, and what a guard leads to, is a template. */
  readonly templated: boolean;
  /** Which file it is written in; 0 is the workflow's own. */
  readonly home: number;
}

export interface Drawing {
  readonly parts: readonly Part[];
  readonly params: readonly number[];
  /** A setting of the templates themselves, the same for all that use them. */
  readonly shared: number;
  /** Added to the names of templates and of all that is in them. */
  readonly inner: string;
  readonly templatesHome: number;
}

export const ITEM_KNOB = 5;
export const KNOBS = 9;
export const ITEMS = ['w', 'x', 'y', 'z'] as const;
/** Where parts are written; the third file is included by the second. */
export const FILES = ['flow.json', 'parts/one.json', 'parts/two.json'] as const;

export const fileName = (index: number): string => `data/f${index}.txt`;
export const paramName = (index: number): string => `p${index}`;
export const knobWord = (knob: number): string => `k${knob}`;
