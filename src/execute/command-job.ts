// A `command` stage's program line: placeholders become paths of this attempt. The program knows nothing of headgate.
import { isAbsolute, join, resolve } from 'node:path';
import type { StageFailure } from '../events/failures.ts';
import type { JobInput } from '../events/job-protocol.ts';
import { isJsonObject, jsonText, type JsonObject } from '../support/json.ts';
import { err, ok, type Result } from '../support/result.ts';

export interface CommandLine {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  /** Output port → path relative to out/. */
  readonly outputs: { readonly [port: string]: string };
}

export interface CommandPlaces {
  readonly root: string;
  readonly outFolder: string;
  readonly inputs: { readonly [port: string]: JobInput };
}

/** `{input:PORT}`, `{output:PORT}` and `{outputs}` (the folder) inside any argument. */
export function commandLine(settings: JsonObject, places: CommandPlaces): Result<CommandLine, StageFailure> {
  const invalid = (problem: string): Result<never, StageFailure> => err({ reason: 'settings-invalid', problem });
  const { argv, outputs, cwd } = settings;
  if (!isWords(argv)) return invalid('"argv" must be a list of strings and numbers, the program first');
  const paths: { [port: string]: string } = {};
  for (const [port, declared] of Object.entries(isJsonObject(outputs) ? outputs : {})) {
    const path = isJsonObject(declared) ? declared['path'] : declared;
    if (typeof path !== 'string' || isAbsolute(path)) return invalid(`output "${port}" needs a relative "path"`);
    paths[port] = path;
  }

  let unknown: string | undefined;
  const filled = argv.map((argument) =>
    String(argument).replace(
      /\{(input|output):([^{}]+)\}|\{outputs\}/g,
      (text: string, what?: string, port?: string) => {
        if (what === undefined || port === undefined) return places.outFolder;
        const path = what === 'input' ? places.inputs[port]?.path : placed(places.outFolder, paths[port]);
        if (path === undefined) unknown ??= text;
        return path ?? text;
      },
    ),
  );
  if (unknown !== undefined)
    return invalid(`${unknown} names no ${unknown.slice(1, unknown.indexOf(':'))} of this stage`);
  if ([...filled, jsonText(cwd)].some((text) => text.includes('\0'))) {
    return invalid('"argv" and "cwd" cannot hold a NUL character');
  }
  const [program, ...rest] = filled;
  if (program === undefined || program === '') return invalid('"argv" must name a program');
  return ok({
    // A program with a slash is a file of the root; without one it is looked up in PATH.
    argv: [program.includes('/') ? resolve(places.root, program) : program, ...rest],
    cwd: resolve(places.root, typeof cwd === 'string' ? cwd : '.'),
    outputs: paths,
  });
}

function placed(folder: string, path: string | undefined): string | undefined {
  return path === undefined ? undefined : join(folder, path);
}

function isWords(value: unknown): value is readonly (string | number)[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' || typeof item === 'number');
}
