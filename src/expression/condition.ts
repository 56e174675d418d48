// Conditions in CEL: checked once while planning, with the place of what is wrong, and evaluated without side effects.
// The only file that knows the CEL library. Numbers of metrics are a type of their own, `number`: it mixes with int and
// double literals (`metrics.mAP / 2` is fine), and an operation that gives NaN or an infinity is an error, never false.
// `lower(x, 0.95)` and `upper(x, 0.95)` are its bootstrap bounds, whatever it was computed of (see `sampled-number.ts`).
import { createRequire } from 'node:module';
import type * as cel from '@marcbachmann/cel-js';
import { boundedCall, type Stopped } from '../support/bounded-call.ts';
import { err, ok } from '../support/result.ts';
import type { Result } from '../support/result.ts';
import { contextOf, valueAt, type ConditionValues } from './condition-values.ts';
import { boundOf, combine, CONFIDENCE_RANGE, isConfidence, Sample } from './sampled-number.ts';

/** Which variables a condition may read. */
export interface ConditionScope {
  /** Names of the evaluation sets; undefined where there is one without a name. */
  readonly sets: readonly string[] | undefined;
  readonly reference: boolean;
  /** Inside a loop: `iteration` is the number of iterations before this one. */
  readonly iteration: boolean;
}

export interface ConditionProblem {
  readonly message: string;
  /** In the text of the condition. */
  readonly start: number;
  readonly length: number;
}

export interface ConditionOutcome {
  readonly held: boolean;
  /** The numbers that the condition names, by path. */
  readonly read: { readonly [path: string]: number };
  /** The bootstrap bounds that it asks for, by their text. */
  readonly bounds: { readonly [call: string]: number };
}

/** What is wrong with a condition as far as it can be known before there are values. */
export function checkCondition(text: string, scope: ConditionScope): ConditionProblem | undefined {
  const problem = boundedCall(() => checked(text, scope), CONDITION_MS);
  return problem.ok ? problem.value : { message: stoppedWords[problem.error], start: 0, length: text.length };
}

/** The longest that checking a condition, or deciding it once, may take. */
const CONDITION_MS = 1000;

const stoppedWords: { readonly [stopped in Stopped]: string } = {
  'timed-out': `it takes longer than ${CONDITION_MS / 1000} s`,
  interrupted: 'it was interrupted',
};

function checked(text: string, scope: ConditionScope): ConditionProblem | undefined {
  const types = environment(scope).check(text);
  if (types.error !== undefined) {
    const { summary, range } = types.error;
    const start = Math.min(range?.start ?? 0, text.length);
    return { message: lowerFirst(summary), start, length: Math.max(1, (range?.end ?? text.length) - start) };
  }
  if (types.type !== 'bool')
    return { message: `it gives ${types.type ?? 'nothing'}, not bool`, start: 0, length: text.length };
  const { ast } = environment(scope).parse(text);
  return confidenceProblem(ast) ?? hugeProblem(ast) ?? constantProblem(ast, text, scope);
}

/** A text can be doubled until its pieces, each a value of its own, fill the memory before the time is up. */
function hugeProblem(root: unknown): ConditionProblem | undefined {
  if (Array.isArray(root)) return root.map(hugeProblem).find((problem) => problem !== undefined);
  if (!isNode(root)) return undefined;
  if (root.op === 'rcall' && (root.args[0] === 'split' || root.args[0] === 'join')) {
    const { start, end } = root;
    return { message: `${root.args[0]} is not for conditions: they are about numbers`, start, length: end - start };
  }
  return hugeProblem(root.args);
}

/** A condition that reads nothing is decided here and now: should that fail, it would fail in every run. */
function constantProblem(root: cel.ASTNode, text: string, scope: ConditionScope): ConditionProblem | undefined {
  if (readsVariable(root)) return undefined;
  const outcome = outcomeOf(text, scope, {});
  return outcome.ok ? undefined : { message: outcome.error, start: 0, length: text.length };
}

function readsVariable(root: unknown): boolean {
  if (Array.isArray(root)) return root.some(readsVariable);
  if (!isNode(root)) return false;
  return (root.op === 'id' && [...variables, 'iteration'].includes(root.args)) || readsVariable(root.args);
}

/** The error says what kept it from being decided: a key that is not there, arithmetic without a result, too long a time. */
export function evaluateCondition(
  text: string,
  scope: ConditionScope,
  values: ConditionValues,
): Result<ConditionOutcome, string> {
  const outcome = boundedCall(() => outcomeOf(text, scope, values), CONDITION_MS);
  return outcome.ok ? outcome.value : err(stoppedWords[outcome.error]);
}

function outcomeOf(text: string, scope: ConditionScope, values: ConditionValues): Result<ConditionOutcome, string> {
  try {
    const condition = environment(scope).parse(text);
    const read: { [path: string]: number } = {};
    for (const path of pathsIn(condition.ast)) {
      const found = valueAt(values, path);
      if (!found.ok) return found;
      if (found.value instanceof Sample) read[path.join('.')] = found.value.value;
    }
    const context = contextOf(values);
    const held: unknown = condition(context);
    if (typeof held !== 'boolean') return err(`it gives ${typeof held}, not bool`);
    return ok({ held, read, bounds: boundsIn(condition.ast, text, scope, context) });
  } catch (error) {
    const { summary, message } = error as Error & { readonly summary?: string };
    return err(lowerFirst(summary ?? message));
  }
}

/** Every bound that can be taken outside of the macro it stands in; those over a macro's own variable are not told. */
function boundsIn(root: cel.ASTNode, text: string, scope: ConditionScope, context: object): ConditionOutcome['bounds'] {
  const bounds: { [call: string]: number } = {};
  for (const { start, end } of boundCalls(root)) {
    const call = text.slice(start, end);
    try {
      const bound: unknown = environment(scope).parse(call)(context);
      if (bound instanceof Sample) bounds[call] = bound.value;
    } catch {
      // Where the whole was decided without it, it need not have a result.
    }
  }
  return bounds;
}

function confidenceProblem(root: cel.ASTNode): ConditionProblem | undefined {
  for (const call of boundCalls(root)) {
    const level = call.args[1][1];
    if (level?.op !== 'value' || typeof level.args !== 'number' || isConfidence(level.args)) continue;
    const message = `a confidence of ${level.args} is out of range: ${CONFIDENCE_RANGE}`;
    return { message, start: level.start, length: level.end - level.start };
  }
  return undefined;
}

type Call = Extract<cel.ASTNode, { readonly op: 'call' }>;

function boundCalls(root: unknown): readonly Call[] {
  if (Array.isArray(root)) return root.flatMap(boundCalls);
  if (!isNode(root)) return [];
  const own = root.op === 'call' && (root.args[0] === 'lower' || root.args[0] === 'upper') ? [root] : [];
  return [...own, ...boundCalls(root.args)];
}

type Library = typeof cel;
let library: Library | undefined;

/** Loaded at the first condition: most workflows have none, planning is synchronous, and loading costs 20 ms. */
function loaded(): Library {
  library ??= createRequire(import.meta.url)('@marcbachmann/cel-js') as Library;
  return library;
}

let base: cel.Environment | undefined;

function environment({ sets, reference, iteration }: ConditionScope): cel.Environment {
  base ??= withNumbers(new (loaded().Environment)({ unlistedVariablesAreDyn: false }));
  const made = base.clone();
  const declare = (name: string, type: string): void => {
    if (sets === undefined) made.registerVariable(name, type);
    else made.registerVariable(name, { schema: Object.fromEntries(sets.map((set) => [set, type])) });
  };
  declare('metrics', 'map<string, number>');
  declare('classes', 'map<string, map<string, number>>');
  if (reference) declare('reference', 'map<string, number>');
  if (iteration) made.registerVariable('iteration', 'int');
  return made;
}

const arithmetic: { readonly [sign: string]: (left: number, right: number) => number } = {
  '+': (left, right) => left + right,
  '-': (left, right) => left - right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
};
const comparison: { readonly [sign: string]: (left: number, right: number) => boolean } = {
  '<': (left, right) => left < right,
  '<=': (left, right) => left <= right,
  '>': (left, right) => left > right,
  '>=': (left, right) => left >= right,
};

function withNumbers(made: cel.Environment): cel.Environment {
  made.registerType('number', Sample);
  const others = ['number', 'double', 'int'];
  const pairs = [...others.map((other) => ['number', other]), ...others.slice(1).map((other) => [other, 'number'])];
  for (const [left, right] of pairs as [string, string][]) {
    for (const [sign, apply] of Object.entries(arithmetic)) {
      made.registerOperator(`${left} ${sign} ${right}: number`, (a, b) => combine(operand(a), operand(b), apply, sign));
    }
    for (const [sign, apply] of Object.entries(comparison)) {
      made.registerOperator(`${left} ${sign} ${right}: bool`, (a, b) => apply(comparable(a), comparable(b)));
    }
  }
  // The library registers the mirrored forms of an equality, and `!=`, by itself.
  for (const other of others) {
    made.registerOperator(`number == ${other}: bool`, (a, b) => comparable(a) === comparable(b));
  }
  made.registerOperator('-number', (a: unknown) => combine(0, operand(a), (zero, value) => zero - value, '-'));
  made.registerFunction('abs(number): number', (a: unknown) =>
    combine(0, operand(a), (_, value) => Math.abs(value), ''),
  );
  made.registerFunction('double(number): double', (a: unknown) => plain(a));
  for (const [name, pick] of [
    ['min', Math.min],
    ['max', Math.max],
  ] as const) {
    made.registerFunction(`${name}(number, number): number`, (a: unknown, b: unknown) =>
      combine(operand(a), operand(b), pick, ','),
    );
  }
  for (const side of ['lower', 'upper'] as const) {
    made.registerFunction(`${side}(number, double): number`, (a: unknown, level: unknown) => {
      const sampled = operand(a);
      if (typeof sampled === 'number') throw new Error(`${side} takes a measured number`);
      return new Sample({ value: boundOf(sampled, Number(level), side) });
    });
  }
  return made;
}

function plain(value: unknown): number {
  return value instanceof Sample ? value.value : Number(value);
}

function operand(value: unknown): Sample | number {
  return value instanceof Sample ? value : Number(value);
}

function comparable(value: unknown): number {
  return finite(plain(value), 'an operand');
}

function finite(value: number, what: string): number {
  if (!Number.isFinite(value)) throw new Error(`${what} is ${value}`);
  return value;
}

const variables = ['metrics', 'reference', 'classes'];

/**
 * Every path from a variable by names alone. All of them must exist, also where `&&` would not look: a misspelt metric
 * must not hide behind a condition that happens to be false. What `has(…)` asks for may be missing.
 */
function pathsIn(root: cel.ASTNode): readonly (readonly string[])[] {
  const paths: string[][] = [];
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) node.forEach(visit);
    else if (isNode(node)) {
      const path = pathOf(node);
      if (path !== undefined) paths.push(path);
      else if (node.op === 'call' && node.args[0] === 'has') visit(parentsOf(node.args[1]));
      else visit(node.args);
    }
  };
  visit(root);
  return paths;
}

function pathOf(node: cel.ASTNode): string[] | undefined {
  if (node.op === 'id') return variables.includes(node.args) ? [node.args] : undefined;
  if (node.op !== '.' && node.op !== '[]') return undefined;
  const [from, step] = node.args;
  const key = typeof step === 'string' ? step : step.op === 'value' ? step.args : undefined;
  const path = pathOf(from);
  return path === undefined || typeof key !== 'string' ? undefined : [...path, key];
}

function parentsOf(asked: readonly cel.ASTNode[]): readonly cel.ASTNode[] {
  return asked.flatMap((node) => (node.op === '.' ? [node.args[0]] : []));
}

function isNode(value: unknown): value is cel.ASTNode {
  return typeof value === 'object' && value !== null && 'op' in value && 'args' in value;
}

function lowerFirst(text: string): string {
  return `${text[0]?.toLowerCase() ?? ''}${text.slice(1)}`;
}
