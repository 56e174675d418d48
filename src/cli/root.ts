// The folder that paths of the command line are relative to.
import { resolve } from 'node:path';

export function rootOf({ root }: { readonly root?: string }): string {
  return resolve(root ?? '.');
}
