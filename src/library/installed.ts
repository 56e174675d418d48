// Where the library was installed: the worker that runs embedded jobs lies beside the built file.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findInstallation, type Installation } from '../compose/installation.ts';

let found: Promise<Installation> | undefined;

export function installation(): Promise<Installation> {
  // A built library may be split into chunks one folder below.
  const here = dirname(fileURLToPath(import.meta.url));
  return (found ??= findInstallation(/[\\/]chunks$/.test(here) ? dirname(here) : here));
}
