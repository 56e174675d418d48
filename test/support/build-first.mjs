// Before the first test: dist/ is what the sources say. Bundles of the tests' own would start much slower than the shipped
// program, and hundreds of tests start it.
import { ensureBuilt } from '../../scripts/ready.mjs';

export default async function buildFirst() {
  await ensureBuilt();
}
