// docs/reference/commands.md: the commands and their options, as the program itself tells them with --help.
import { runProgram } from '../../src/cli/program.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { anchor, generatedNote, table } from './markdown.ts';

interface Help {
  readonly usage: string;
  readonly text: string;
  readonly options: readonly (readonly [string, string])[];
  readonly commands: readonly (readonly [string, string])[];
}

export async function commandPage(): Promise<string> {
  const top = await helpOf([]);
  const commands = await allCommands([], top);
  return `${[
    '# Reference: command line',
    generatedNote('npm run reference'),
    top.text,
    'Exit codes: 0 done; 1 a stage failed; 2 the workflow or the call is invalid; 3 a gate stopped the run, whose reason is the last thing printed; 130 interrupted.',
    table(
      ['command', 'what it does'],
      commands.map(({ name, help }) => [`[${name}](#${anchor(name)})`, help.text]),
    ),
    ...commands.flatMap(({ name, help }) => [
      `## ${name}`,
      help.text,
      `\`\`\`\n${help.usage}\n\`\`\``,
      table(
        ['option', 'what it says'],
        help.options.map(([option, text]) => [`\`${option}\``, text]),
      ),
    ]),
  ].join('\n\n')}\n`;
}

async function allCommands(
  path: readonly string[],
  help: Help,
): Promise<readonly { readonly name: string; readonly help: Help }[]> {
  const found = [];
  for (const [usage] of help.commands) {
    const [name = ''] = usage.split(' ');
    if (name === 'help') continue;
    const own = await helpOf([...path, name]);
    if (own.commands.length > 0) found.push(...(await allCommands([...path, name], own)));
    else found.push({ name: [...path, name].join(' '), help: own });
  }
  return found;
}

async function helpOf(command: readonly string[]): Promise<Help> {
  let text = '';
  const stream = new Proxy(process.stdout, {
    get: (target, name) =>
      name === 'write' ? (part: string) => (text += part) : (Reflect.get(target, name) as unknown),
  });
  const terminal: Terminal = {
    stdout: stream,
    stderr: stream,
    env: {},
    installFolder: '.',
    onInterrupt: () => () => undefined,
  };
  await runProgram([...command, '--help'], terminal);
  return parseHelp(text);
}

/** Commander's layout: a paragraph of usage, one of words, then titled lists whose long lines go on indented. */
export function parseHelp(text: string): Help {
  const [usage = '', ...rest] = text.split('\n\n');
  const list = (title: string): readonly (readonly [string, string])[] => {
    const block = rest.find((part) => part.startsWith(`${title}:\n`));
    const entries: [string, string][] = [];
    for (const line of block?.split('\n').slice(1) ?? []) {
      const [, name, words = ''] = /^ {2}(\S.*?)(?: {2,}(.*))?$/.exec(line) ?? [];
      const last = entries.at(-1);
      if (name !== undefined) entries.push([name, words]);
      else if (last !== undefined && line.trim() !== '') last[1] = `${last[1]} ${line.trim()}`.trim();
    }
    return entries;
  };
  const words = rest.find((part) => !/^[A-Z]\w+:\n/.test(part)) ?? '';
  return {
    usage: usage.replace(/^Usage: /, '').replaceAll(/\s+/g, ' '),
    text: words.replaceAll(/\s+/g, ' ').trim(),
    options: list('Options'),
    commands: list('Commands'),
  };
}
