// The keys of a gate's collections where it decides on named evaluation sets: peers by set (`night/segmentation`), earlier
// iterations by number (`0/night`). For the planner, which checks that all are there, and for the gate, which reads them.

/** Of an artifact in a collection inside of another one. */
export function nestedKey(outer: string, inner: string): string {
  return `${outer}/${inner}`;
}

/** Undefined where the key names no set. */
export function peerAndSet(key: string): { readonly peer: string; readonly set: string } | undefined {
  // Names of peers are keys of a fan-out, which have no slash; a set may be called anything.
  const slash = key.lastIndexOf('/');
  return slash === -1 ? undefined : { set: key.slice(0, slash), peer: key.slice(slash + 1) };
}

/** The set is undefined where there is only one, without a name. */
export function iterationAndSet(key: string): { readonly iteration: number; readonly set: string | undefined } {
  const slash = key.indexOf('/');
  return slash === -1
    ? { iteration: Number(key), set: undefined }
    : { iteration: Number(key.slice(0, slash)), set: key.slice(slash + 1) };
}
