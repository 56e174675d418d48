// Why a stage runs, in words: the field that changed, old and new.
import type { Change, RunCause } from '../events/run-events.ts';
import { unreachable } from '../support/result.ts';
import { shortDigest } from './quantities.ts';

const MAX_VALUE = 60;
/** Versions and arguments; the rest of `code` is digests. */
const TELLING_CODE = /^\/code\/(onnxruntime$|program)/;

export function causeWords(cause: RunCause, maxChanges = 3): string {
  switch (cause.because) {
    case 'never-run':
      return 'it has not run before';
    case 'forced':
      return 'it was forced';
    case 'output-lost':
      return `its output "${cause.port}" (${shortDigest(cause.digest)}) is missing or damaged`;
    case 'changed': {
      if (cause.changes.length === 0) return 'its record is gone';
      const shown = cause.changes.slice(0, maxChanges).map(changeWords);
      const more = cause.changes.length - shown.length;
      return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
    }
    default:
      return unreachable(cause);
  }
}

export function changeWords({ pointer, before, after }: Change): string {
  if (pointer === '/ordinal') return 'its number among stages that do the same work changed';
  const change = `${pointer} ${side(before)} → ${side(after)}`;
  // Two digests of it alone would say little to a reader; the version of the runtime does.
  return pointer.startsWith('/code/') && !TELLING_CODE.test(pointer)
    ? `headgate's own code changed: ${change}`
    : change;
}

function side(value: string | null): string {
  if (value === null) return '(absent)';
  if (/^"[0-9a-f]{64}"$/.test(value)) return shortDigest(value.slice(1));
  return value.length > MAX_VALUE ? `${value.slice(0, MAX_VALUE)}…` : value;
}
