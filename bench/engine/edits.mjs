// The ways in which editors and programs save a file. Each returns when the new content is in place.
import { appendFileSync, closeSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { dirname, join, basename } from 'node:path';

export const savePatterns = {
  'write in place': (path, text) => writeFileSync(path, text),
  'rename over': (path, text) => {
    const draft = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
    writeFileSync(draft, text);
    renameSync(draft, path);
  },
  'truncate, then write in two parts': (path, text) => {
    const file = openSync(path, 'w');
    const half = Math.floor(text.length / 2);
    writeSync(file, text.slice(0, half));
    writeSync(file, text.slice(half));
    closeSync(file);
  },
  'backup, new file, backup removed (vim)': (path, text) => {
    const probe = join(dirname(path), '4913');
    writeFileSync(probe, '');
    rmSync(probe);
    renameSync(path, `${path}~`);
    writeFileSync(path, text);
    rmSync(`${path}~`);
  },
  'write, then append': (path, text) => {
    writeFileSync(path, text.slice(0, -1));
    appendFileSync(path, text.slice(-1));
  },
};
