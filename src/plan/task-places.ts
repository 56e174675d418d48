// Problems of a task at the places where it is written.
import { taskRefused, taskUnlikely } from '../diagnostics/catalogue/tasks.ts';
import { innerPlace, nodeAt } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import type { ClassProblem } from '../stages/class-counts.ts';
import type { PlannedTask, Problems } from './instance.ts';

type Written = Pick<PlannedTask, 'name' | 'node' | 'nameAt'>;

export function refusals(task: Written, found: readonly ClassProblem[]): Problems {
  return found.map(({ path, message, help }) => taskRefused(placeIn(task, path), task.name, message, help));
}

export function doubts(task: Written, found: readonly ClassProblem[]): Problems {
  return found.map(({ path, message, help }) => taskUnlikely(placeIn(task, path), task.name, message, help));
}

/** The nearest that is written: a default stands nowhere. */
export function placeIn({ node, nameAt }: Written, path: readonly (string | number)[]): Place {
  const found = nodeAt(node, path);
  return found === node ? nameAt : innerPlace(found);
}
