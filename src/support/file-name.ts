// Names of stages as names of files: a path within a workflow becomes one name, and two stages never get the same.

/** The longest name of a file, in bytes, that every file system in use takes. */
export const LONGEST_NAME_BYTES = 255;

/** `head[detection]/qat` is `head[detection]+qat`; names of stages hold no plus. */
export function fileNameOf(text: string): string {
  return text.replaceAll('/', '+').replace(/[^A-Za-z0-9._[\],+-]/g, '_');
}
