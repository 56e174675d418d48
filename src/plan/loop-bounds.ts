// How often a loop repeats its body at most, how long, and how it ends when that was not enough; as written, checked.
import { iterationsOutOfRange } from '../diagnostics/catalogue/groups.ts';
import { wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { memberOf, toJson } from '../diagnostics/located-json.ts';
import type { LocatedString } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import { substitute } from '../expression/substitution.ts';
import type { LoopSpec, StageSpec } from '../spec/workflow-spec.ts';
import { parseDuration } from '../support/duration.ts';
import { jsonText } from '../support/json.ts';
import type { Expander } from './expander.ts';
import type { StageScope } from './stage-scope.ts';

/** How it ends when no iteration was good enough. */
export interface Exhausted {
  readonly action: 'fail' | 'best' | 'last' | 'stop';
  readonly reason: string;
  readonly at: Place;
}

export function iterationsOf({ problems }: Expander, loop: LoopSpec, own: StageScope): number | undefined {
  const node = loop.maxIterations && substitute(loop.maxIterations, own.scope, problems);
  if (node === undefined) return undefined;
  if (node.type === 'number' && Number.isInteger(node.value) && node.value >= 1 && node.value <= 100) return node.value;
  return void problems.push(iterationsOutOfRange(node.at, jsonText(toJson(node))));
}

/** How long the work of its iterations may take before it goes on with another; 'none' where null leaves it out. */
export function budgetOf({ problems }: Expander, loop: LoopSpec, own: StageScope): LocatedString | 'none' | undefined {
  if (loop.budget === undefined) return 'none';
  const node = substitute(loop.budget, own.scope, problems);
  if (node === undefined) return undefined;
  if (node.type === 'null') return 'none';
  if (node.type === 'string' && parseDuration(node.value) !== undefined) return node;
  return void problems.push(wrongShape(node.at, 'budget', 'a time from "1ms" to "500h"'));
}

const actions = ['fail', 'best', 'last', 'stop'] as const;

export function exhaustedOf(
  { problems }: Expander,
  spec: StageSpec,
  loop: LoopSpec,
  own: StageScope,
): Exhausted | undefined {
  const reason = `loop "${spec.name}" has used up its iterations`;
  if (loop.onExhausted === undefined) return { action: 'fail', reason, at: spec.nameAt };
  const node = substitute(loop.onExhausted, own.scope, problems);
  if (node === undefined) return undefined;
  const words = memberOf(node, 'stop');
  if (words?.type === 'string') return { action: 'stop', reason: words.value, at: node.at };
  const action = actions.find((known) => node.type === 'string' && known === node.value);
  if (action !== undefined) return { action, reason, at: node.at };
  return void problems.push(wrongShape(node.at, 'onExhausted', `one of ${actions.join(', ')} or {"stop": "reason"}`));
}
