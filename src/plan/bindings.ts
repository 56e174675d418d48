// What a port of the plan reads from, whatever the shape of its binding.
import type { Binding, PortRef } from './plan.ts';

export function sourcesOf(binding: Binding): readonly PortRef[] {
  switch (binding.shape) {
    case 'one':
      return [binding.from];
    case 'collect':
      return binding.items.map(({ from }) => from);
    case 'oneOf':
      return binding.alternatives.map(({ from }) => from);
  }
}
