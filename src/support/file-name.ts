// Names of stages as names of files: a path within a workflow becomes one name, and two stages never get the same.

/** `head[detection]/qat` is `head[detection]+qat`; names of stages hold no plus. */
export function fileNameOf(text: string): string {
  return text.replaceAll('/', '+').replace(/[^A-Za-z0-9._[\],+-]/g, '_');
}
