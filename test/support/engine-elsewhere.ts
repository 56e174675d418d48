// A process that holds a key as an engine of another host would: `ROOT KEY JOB_FOLDER`. It says `claimed`, moves its claim
// when a line comes in (`moved`), and is silent otherwise.
import { createInterface } from 'node:readline';
import { identifyProcess } from '../../src/process/process-identity.ts';
import { takeClaim, updateClaim } from '../../src/store/claims.ts';
import { openStore } from '../../src/store/store.ts';
import { isDigest } from '../../src/support/digest.ts';

const [root = '', key = '', jobFolder = ''] = process.argv.slice(2);
if (!isDigest(key)) throw new Error(`${key} is no key`);
const { layout } = openStore(root);
const engine = await identifyProcess(process.pid);
const claim = { engine, host: 'elsewhere', run: 'theirs', jobFolder, job: engine };
process.stdout.write(takeClaim(layout, key, claim) ? 'claimed\n' : 'too late\n');
for await (const _ of createInterface({ input: process.stdin })) {
  await updateClaim(layout, key, claim);
  process.stdout.write('moved\n');
}
