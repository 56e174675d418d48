// What a command may use of the world, and how it ends. Handed in by `main.ts`, so that tests can hand in their own.

export interface Terminal {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: NodeJS.ProcessEnv;
  /** The folder of the built program: dist/, with worker.js and build.json. */
  readonly installFolder: string;
  /** Calls back on SIGINT and SIGTERM until the returned function is called. */
  onInterrupt(listener: (signal: string) => void): () => void;
}

/** 0 done; 1 a stage failed; 2 the workflow or the call is invalid; 3 a gate stopped the run; 130 interrupted. */
export type ExitCode = 0 | 1 | 2 | 3 | 130;

/** A user's mistake: what is wrong and what to do, never a stack. */
export function refuse({ stderr }: Terminal, message: string, help?: string): 2 {
  stderr.write(`headgate: ${message}\n${help === undefined ? '' : `  help: ${help}\n`}`);
  return 2;
}

/** The one JSON document of `--json`. */
export function printJson({ stdout }: Terminal, document: unknown): void {
  stdout.write(`${JSON.stringify(document, null, 2)}\n`);
}
