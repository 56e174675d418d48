// "Did you mean …": the nearest of the known names. The only file that knows the edit-distance library.
import { distance } from 'fastest-levenshtein';

/** The nearest name, if it is near enough to be what was meant: a third of its letters may differ. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  let best: { readonly name: string; readonly distance: number } | undefined;
  if (name.length > LONGEST_NAME) return undefined;
  for (const candidate of known) {
    // So different in length, it cannot be what was meant; and comparing very long names takes its time.
    if (Math.abs(candidate.length - name.length) > tolerance(candidate, name)) continue;
    const d = distance(name.toLowerCase(), candidate.toLowerCase());
    if (best === undefined || d < best.distance) best = { name: candidate, distance: d };
  }
  if (best === undefined) return undefined;
  return best.distance <= tolerance(name, best.name) ? best.name : undefined;
}

const LONGEST_NAME = 200;

function tolerance(left: string, right: string): number {
  const length = Math.max(left.length, right.length);
  // Two letters changed places count as two edits, in short names too.
  return Math.max(length < 4 ? 1 : 2, Math.floor(length / 3));
}

/** Help for a name that is not known: the nearest one, else what there is. */
export function suggestion(name: string, known: readonly string[], whatTheyAre: string): string {
  const near = nearest(name, known);
  if (near !== undefined) return `did you mean "${near}"?`;
  return known.length === 0 ? `there are no ${whatTheyAre}` : `${whatTheyAre}: ${listed(known)}`;
}

/** `a, b, c`, cut after twelve. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, 12).join(', ');
  return names.length > 12 ? `${shown} and ${names.length - 12} more` : shown;
}
