// The peers: which there are, where they are installed, which versions were found.
//
//   node bench/engine/peers.mjs install [--into FOLDER]   from their registries, each into a folder of its own
//   node bench/engine/peers.mjs list [--into FOLDER]
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { isMain } from './figure.mjs';
import { cacheFolder } from './project.mjs';
import { doit } from './tools/doit.mjs';
import { dvc } from './tools/dvc.mjs';
import { debianSnakemake, snakemake } from './tools/snakemake.mjs';
import { wireit } from './tools/wireit.mjs';
import { nx, nxDaemon, turborepo } from './tools/workspaces.mjs';

export const peers = [doit, debianSnakemake, snakemake, wireit, turborepo, nx, nxDaemon, dvc];
export const peersFolder = process.env.HEADGATE_BENCH_PEERS ?? join(cacheFolder, 'peers');

/**
 * @param wants which are asked for their version, by name: some need seconds to say it
 * @returns peers that can be started, with `place` filled in, and words about those that cannot.
 */
export function installedPeers(into = peersFolder, wants = () => true) {
  const found = [];
  const missing = [];
  for (const peer of peers) {
    const place = { bin: peer.bin(into), home: peer.home(into) };
    if (existsSync(place.bin)) {
      if (wants(peer.name)) found.push({ ...peer, place, found: peer.version(into) });
    } else missing.push(`${peer.name}: not installed (${peer.source})`);
  }
  return { found, missing };
}

function install(into) {
  mkdirSync(into, { recursive: true });
  for (const peer of peers) {
    if (existsSync(peer.bin(into))) continue;
    console.error(`installing ${peer.source} …`);
    try {
      peer.install(into);
    } catch (cause) {
      console.error(
        `${peer.source} could not be installed: ${String(cause.stderr ?? cause.message)
          .trim()
          .slice(-500)}`,
      );
      process.exitCode = 1;
    }
  }
}

if (isMain(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { into: { type: 'string', default: peersFolder } },
  });
  if (positionals[0] === 'install') install(values.into);
  const { found, missing } = installedPeers(values.into);
  for (const { name, found: version, choice } of found) console.log(`${name} ${version}: ${choice}`);
  for (const words of missing) console.log(words);
}
