// Validators made ahead of time, by the digest of their schema. Empty in the sources: the build puts them here (see
// scripts/compile-schemas.mjs), and without it every schema is compiled when it is first used, to the same effect.
import type { Digest } from '../support/digest.ts';

export const precompiled: ReadonlyMap<Digest, (value: unknown) => boolean> = new Map();
