// What templates and loops need of the expansion that they are part of.
import type { StageSpec } from '../spec/workflow-spec.ts';
import type { Declarations } from './declarations.ts';
import type { Problems } from './instance.ts';
import type { Around } from './stage-scope.ts';

export interface Expander {
  readonly declarations: Declarations;
  readonly problems: Problems;
  /** Adds these stages to the namespace that `around` stands in. */
  expand(specs: Iterable<StageSpec>, around: Around): void;
}
