// The commands and their options. The only importer of commander; each command is loaded when it is called.
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import type { GcOptions, VerifyOptions } from './commands/cache.ts';
import type { ExitCode, Terminal } from './terminal.ts';

/** Runs one command line (without node and script) to its end. */
export async function runProgram(argv: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let exitCode: ExitCode = 0;
  const program = new Command('headgate')
    .description('Runs quantization-aware training of multi-task models from one JSON workflow.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.stdout.write(text),
      writeErr: (text) => terminal.stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, 'headgate: ')),
    })
    .showSuggestionAfterError()
    .helpCommand(false);

  // Commander hands over arguments, then options, then the command itself.
  const withFile = <O extends object>(command: Command, run: (file: string, options: O) => Promise<ExitCode>): void => {
    command.action(async (file: string, options: O) => {
      exitCode = await run(file, options);
    });
  };
  const withName = <O extends object>(
    command: Command,
    run: (name: string | undefined, options: O) => Promise<ExitCode>,
  ): void => {
    command.action(async (name: string | undefined, options: O) => {
      exitCode = await run(name, options);
    });
  };

  const withoutName = <O extends object>(command: Command, run: (options: O) => Promise<ExitCode>): void => {
    command.action(async (options: O) => {
      exitCode = await run(options);
    });
  };

  withFile(workflowCommand(program, 'validate <file>', 'check a workflow; nothing runs'), async (file, options) =>
    (await import('./commands/validate.ts')).validate(terminal, file, options),
  );
  withFile(
    tokenOptions(
      selectionOptions(workflowCommand(program, 'plan <file>', 'say what a run would do, stage by stage, and why')),
    ),
    async (file, options) => (await import('./commands/plan.ts')).plan(terminal, file, options),
  );
  withFile(
    runOptions(selectionOptions(workflowCommand(program, 'run <file>', 'run a workflow'))),
    async (file, options) => (await import('./commands/run.ts')).run(terminal, file, options),
  );
  withFile(
    mannerOptions(
      planOptions(program.command('watch <file>').description('run a workflow, and again whatever an edit affects'))
        .option('--until <stage>', 'only what these stages need, and they; repeatable', collected)
        .option('--poll', 'look at every file again and again: for network file systems'),
    ),
    async (file, options) => (await import('./commands/watch.ts')).watch(terminal, file, options),
  );
  withName(
    runOptions(
      rootOption(jsonOption(program.command('resume [file]').description('go on with the newest unfinished run'))),
    ),
    async (file, options) => (await import('./commands/resume.ts')).resume(terminal, file, options),
  );
  rootOption(jsonOption(program.command('runs').description('what was run here, newest first')))
    .option('--all', 'not only the newest twenty')
    .action(async (options: { readonly root?: string; readonly json?: boolean; readonly all?: boolean }) => {
      exitCode = await (await import('./commands/runs.ts')).runs(terminal, options);
    });
  rootOption(
    jsonOption(
      program
        .command('diff <before> <after>')
        .description(
          'what differs between two runs: by id, a unique part of it, latest, or @2 for the one before the newest',
        ),
    ),
  ).action(async (before: string, after: string, options: { readonly root?: string; readonly json?: boolean }) => {
    exitCode = await (await import('./commands/diff.ts')).diff(terminal, [before, after], options);
  });
  withName(
    rootOption(jsonOption(program.command('status [run]').description('what the newest (or the named) run did'))),
    async (run, options) => (await import('./commands/status.ts')).status(terminal, run, options),
  );
  withFile(
    workflowOptions(program.command('explain <stage>').description('why a stage ran, was cached or was not taken'))
      .option('--file <file>', 'the workflow; by default that of the newest run')
      .option('--force <stage>', 'as for run', collected),
    async (stage, options) => (await import('./commands/explain.ts')).explain(terminal, stage, options),
  );
  workflowOptions(
    program
      .command('override [stage] [case]')
      .description("choose a gate's case in its place, until its numbers change"),
  )
    .option('--who <name>', 'who decided')
    .option('--why <text>', 'why')
    .option('--file <file>', 'the workflow; by default that of the newest run')
    .option('--remove', 'let the measured case count again')
    .option('--list', 'what is overridden, by whom and why')
    .action(async (stage: string | undefined, chosen: string | undefined, options: object) => {
      exitCode = await (await import('./commands/override.ts')).override(terminal, stage, chosen, options);
    });
  withFile(
    rootOption(
      jsonOption(program.command('inspect <what>').description('a file, a digest, or stage.port of the newest run')),
    ),
    async (what, options) => (await import('./commands/inspect.ts')).inspect(terminal, what, options),
  );
  withFile<{ readonly format: 'mermaid' | 'dot' }>(
    workflowCommand(program, 'graph <file>', 'draw a workflow').addOption(
      new Option('--format <format>', 'how').choices(['mermaid', 'dot']).default('mermaid'),
    ),
    async (file, options) => (await import('./commands/graph.ts')).graph(terminal, file, options),
  );
  withName(
    jsonOption(program.command('init [folder]').description('write a small workflow that runs, to begin from')),
    async (folder, options) => (await import('./commands/init.ts')).init(terminal, folder, options),
  );
  const cache = program.command('cache').description('what the store in .headgate/ holds');
  withoutName(
    rootOption(jsonOption(cache.command('ls').description('how much, by workflow and kind'))),
    async (options) => (await import('./commands/cache.ts')).listCache(terminal, options),
  );
  withoutName<VerifyOptions>(
    rootOption(
      jsonOption(cache.command('verify').description('read everything; put what is wrong into quarantine')),
    ).option('--repair', 'also remove what referred to it, so that it is made again'),
    async (options) => (await import('./commands/cache.ts')).verifyCache(terminal, options),
  );
  withoutName<GcOptions>(
    rootOption(jsonOption(cache.command('gc').description('remove what nothing refers to, and what these limits say')))
      .option('--older-than <age>', 'results that no run has used for so long, for example 30d')
      .option('--max-size <size>', 'the longest unused, until the rest takes no more, for example 10GB')
      .option('--keep-runs <n>', 'what the newest n runs of each workflow did not use', positiveInteger)
      .option('--dry-run', 'only say what would go'),
    async (options) => (await import('./commands/cache.ts')).collectCache(terminal, options),
  );
  program.option('-V, --version', 'print the version');
  if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
    const { findInstallation } = await import('../compose/installation.ts');
    terminal.stdout.write(`${(await findInstallation(terminal.installFolder)).version}\n`);
    return 0;
  }
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    throw error;
  }
}

function workflowCommand(program: Command, usage: string, description: string): Command {
  return workflowOptions(program.command(usage).description(description));
}

function workflowOptions(command: Command): Command {
  return planOptions(jsonOption(command));
}

function planOptions(command: Command): Command {
  return rootOption(command)
    .option('--set <path=value>', 'set a parameter; repeatable', collected)
    .option('--params <file>', 'a JSON file of parameters');
}

function rootOption(command: Command): Command {
  return command.option('--root <folder>', 'what paths are relative to, and where .headgate/ is', '.');
}

function jsonOption(command: Command): Command {
  return command.option('--json', 'print one JSON document on standard output');
}

function selectionOptions(command: Command): Command {
  return command
    .option('--until <stage>', 'only what these stages need, and they; repeatable', collected)
    .option('--only <stage>', 'only these stages, on what is cached; repeatable', collected)
    .option('--force <stage>', 'run these stages even if they are cached; repeatable', collected);
}

function tokenOptions(command: Command): Command {
  return command
    .option('--jobs <n>', 'jobs at once; by default as many as there are cores for', positiveInteger)
    .option('--resources <token=n>', 'how many of a resource there are, for example gpu=1; repeatable', collected);
}

function mannerOptions(command: Command): Command {
  return tokenOptions(command)
    .option('-k, --keep-going', 'after a failure, run everything that does not depend on it')
    .option('--keep-failed', 'keep what attempts that failed have written, in their job folders')
    .option('--timeout <time>', 'for jobs whose stage has none, for example 30m')
    .addOption(new Option('--log-format <format>', 'progress').choices(['pretty', 'plain', 'jsonl']));
}

function runOptions(command: Command): Command {
  return mannerOptions(command).addOption(
    new Option('--fault <stage=json>', 'fault injection for tests of the proofs').hideHelp().argParser(collected),
  );
}

function collected(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function positiveInteger(text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || number < 1 || !Number.isSafeInteger(number))
    throw new InvalidArgumentError('It must be a whole number from 1.');
  return number;
}
