// Port types in words: `checkpoint of the backbone (calibrated or qat)`.
import type { InputPort, PortType } from '../../src/stages/stage-kind.ts';

export function typeWords(type: PortType | 'any'): string {
  if (type === 'any') return 'any artifact';
  const scope = type.scope === undefined ? '' : ` of the ${type.scope}`;
  const states = type.states === undefined ? '' : ` (${type.states.join(' or ')})`;
  return `${type.artifact}${scope}${states}`;
}

export const arityWords: { readonly [arity in InputPort['arity']]: string } = {
  one: 'one',
  optional: 'one, may be left out',
  collect: 'several, one per key',
};
