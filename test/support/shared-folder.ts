// A folder that lives as long as one run of the tests and that all its files share (build-first.mjs makes and removes it).

/** @throws outside a run of the tests. */
export function sharedFolder(): string {
  const folder = process.env['HEADGATE_TESTS_SHARE'];
  if (folder === undefined) throw new Error('there is no shared folder: HEADGATE_TESTS_SHARE is not set');
  return folder;
}
