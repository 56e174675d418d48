// The entry of the command line. It imports nothing of its own program statically, so that even a program that cannot be
// loaded, because too few files may be open, ends with a sentence.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

try {
  const { runInProcess } = await import('./own-process.ts');
  await runInProcess(process.argv.slice(2), dirname(fileURLToPath(import.meta.url)));
} catch (error) {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (!(error instanceof Error) || (code !== 'EMFILE' && code !== 'ENFILE')) throw error;
  process.stderr.write(`headgate: ${error.message}\n  help: raise the limit of open files (ulimit -n)\n`);
  process.exitCode = 1;
}
