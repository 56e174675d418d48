// A process that holds a key as an engine of another host would: `ROOT KEY JOB_FOLDER [earlier]`, the last as the earlier
// program did, without a heartbeat. It says `claimed`, gives a sign of life when a line comes in (`moved`), else is silent.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { openStore } from '../../src/store/store.ts';
import { takeClaim, type Claim } from '../../src/store/claims.ts';
import { isDigest } from '../../src/support/digest.ts';
import { engineElsewhere } from './other-engines.ts';

const [root = '', key = '', jobFolder = '', earlier] = process.argv.slice(2);
if (!isDigest(key)) throw new Error(`${key} is no key`);
const { layout } = openStore(root);
const engine = engineElsewhere();
const claim: Claim = { engine, run: 'theirs', jobFolder, job: engine };
const claimFile = join(layout.claims, `${key}.json`);
// Nobody here has this pid, so nothing says where the earlier program's engine is.
const asBefore = { engine: { pid: 2 ** 22 + 2, startTime: '7' }, host: 'elsewhere', run: 'theirs', jobFolder };
let beats = 0;
const beat = (): void => {
  beats++;
  if (earlier === undefined) put(join(layout.engines, `${engine.token}.json`), JSON.stringify({ beats }));
  else put(claimFile, `${JSON.stringify(asBefore)}${' '.repeat(beats)}`);
};
const put = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
};
beat();
const isClaimed = earlier !== undefined || takeClaim(layout, key, claim);
process.stdout.write(isClaimed ? 'claimed\n' : 'too late\n');
for await (const _ of createInterface({ input: process.stdin })) {
  beat();
  process.stdout.write('moved\n');
}
