// A remedy that does not exist costs more than none: whatever a text tells people to set, to link or to call is there.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readCommands, readRemedies, type Remedy } from './remedies.ts';
import { isPort, isSetting, isValue, namesOfAll, namesOfKinds } from './vocabulary.ts';

const remedies = readRemedies();
const { commands, options } = readCommands();

/** Names that people choose themselves, in examples of what they may write. */
const EXAMPLES = ['day', 'night', 'small', 'key', 'a.metrics', 'b.metrics', 'gate.verdict', 'gate:case'];
/** Words in quotes that name nothing to set: characters, inputs of a loss graph, the form of a package's file. */
const WORDS = ['-', '_', '.', './', '..', 'output', 'target', 'others', 'as good as the reference', 'properties'];
const PACKAGE = ['headgate', './kinds/threshold.kind.json'];

const known = new Set([...EXAMPLES, ...WORDS, ...PACKAGE]);

/** What stands in quotes or back quotes, but for what hangs on the case. */
function quotedIn(text: string): readonly string[] {
  return [...text.matchAll(/"([^"]*)"|`([^`]*)`/g)]
    .map(([, one, other]) => one ?? other ?? '')
    .filter((word) => word !== '' && !word.includes('…'));
}

function unknownIn(text: string, exists = isName): readonly string[] {
  return quotedIn(text).filter((word) => !known.has(word) && !isCall(word) && !exists(word));
}

function isCall(word: string): boolean {
  return /^(headgate|npm run|--)\b/.test(word) || commands.has(word);
}

function isName(word: string): boolean {
  const port = /^stage\.(.+)$/.exec(word)?.[1];
  return port === undefined ? isSetting(word) || isPort(word) || isValue(word) : port === 'port' || isPort(port);
}

/** `headgate cache gc`, or `headgate run FILE` in a sentence; in prose headgate does many things. */
function callsIn(text: string): readonly string[] {
  const quoted = [...text.matchAll(/`headgate ([^`]+)`/g)].map(([, words = '']) => words);
  const plain = [...text.matchAll(/headgate ([a-z]+(?: [a-z]+)?) (?:FILE|--|…)/g)].map(([, words = '']) => words);
  return [...quoted, ...plain, ...[...text.matchAll(/\b(cache [a-z]+)\b/g)].map(([, words = '']) => words)];
}

function isCommand(call: string): boolean {
  const [one = '', two = ''] = call.split(' ');
  return commands.has(one) || commands.has(`${one} ${two}`);
}

function falseOnes(find: (remedy: Remedy) => readonly string[]): readonly string[] {
  return remedies.flatMap((remedy) => find(remedy).map((name) => `${remedy.at}: ${name} in "${remedy.text}"`));
}

/** The kind whose checks or whose job a file holds. */
function kindOf({ at }: Remedy): string | undefined {
  const name = /^src\/(?:stages\/kinds|backends\/embedded\/jobs)\/([a-z-]+)\.ts:/.exec(at)?.[1];
  return name !== undefined && namesOfKinds.has(name) ? name : undefined;
}

/** `statistics` of a calibrate stage: a name and the kind that is said to have it. */
function namesOfOneKind(text: string): readonly (readonly [name: string, kind: string])[] {
  return [...text.matchAll(/`([^`]+)` (?:on|of|in) (?:the|a|an) ([a-z-]+) stage/g)].map(
    ([, name = '', kind = '']) => [name, kind] as const,
  );
}

describe('what people are told to do', () => {
  test('is collected from everywhere: the catalogue, both tables of reasons, the kinds, the jobs, the kernel, the commands', () => {
    const folders = [
      'src/diagnostics/catalogue/criteria.ts',
      'src/events/failure-reasons.ts',
      'src/events/job-reasons.ts',
      'src/stages/kinds/calibrate.ts',
      'src/backends/embedded/jobs/release.ts',
      'src/qat/quantize/placement.ts',
      'src/data/image-folder.ts',
      'src/compose/past-runs.ts',
      'src/support/machine-problems.ts',
    ];
    for (const file of folders) expect(remedies.filter(({ at }) => at.startsWith(`${file}:`))).not.toEqual([]);
    expect(remedies.length).toBeGreaterThan(500);
  });

  test('names settings, ports and values that exist', () => {
    expect(falseOnes(({ text }) => unknownIn(text))).toEqual([]);
  });

  test('names commands, options and scripts that exist', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { readonly scripts: object };
    const found = [...remedies.flatMap(({ text }) => callsIn(text))];
    expect(found).toEqual(expect.arrayContaining(['inspect FILE', 'run', 'cache gc', 'resume']));
    expect(falseOnes(({ text }) => callsIn(text).filter((call) => !isCommand(call)))).toEqual([]);
    expect(falseOnes(({ text }) => (text.match(/--[a-z][a-z-]*/g) ?? []).filter((one) => !options.has(one)))).toEqual(
      [],
    );
    const scriptsIn = (text: string): readonly string[] =>
      [...text.matchAll(/npm run ([\w:]+)/g)].map(([, one = '']) => one);
    expect(falseOnes(({ text }) => scriptsIn(text).filter((name) => !Object.hasOwn(scripts, name)))).toEqual([]);
  });

  test('names pages and schemas that exist', () => {
    const pages = (text: string): readonly string[] => text.match(/\b(?:docs|schemas)\/[\w./-]+\w/g) ?? [];
    expect(falseOnes(({ text }) => pages(text).filter((path) => !existsSync(path)))).toEqual([]);
  });

  test('gives to each kind of stage only what it has', () => {
    const wrong = ({ text }: Remedy): readonly string[] =>
      namesOfOneKind(text)
        .filter(([name, kind]) => !namesOfKinds.get(kind)?.has(name))
        .map(([name, kind]) => `${name} of ${kind}`);
    expect(remedies.flatMap(({ text }) => namesOfOneKind(text))).toContainEqual(['statistics', 'calibrate']);
    expect(falseOnes(wrong)).toEqual([]);
  });

  test('names in the checks and the job of a kind only what its stages, tasks and profiles have', () => {
    const wrong = (remedy: Remedy): readonly string[] => {
      const own = namesOfKinds.get(kindOf(remedy) ?? '');
      if (own === undefined) return [];
      return unknownIn(remedy.text, (word) => own.has(word) || namesOfAll.has(word));
    };
    expect(falseOnes(wrong)).toEqual([]);
  });
});

describe('the check of remedies', () => {
  test.each([
    ['Set `resise` in the description.', ['resise']],
    ['give it "atMots"', ['atMots']],
    ['raise "bootstrap.cuont"', ['bootstrap.cuont']],
    ['raise "bootstrap.count", or leave "confidence" out', []],
    ['write {"colect": {"day": "stage.metrics"}}', ['colect']],
  ])('finds in %s what is not there', (text, names) => {
    expect(unknownIn(text)).toEqual(names);
  });

  test('finds a command that is not there, and a setting of another kind', () => {
    expect(['cache tidy', 'cache gc', 'inspect FILE', 'repair'].filter((call) => !isCommand(call))).toEqual([
      'cache tidy',
      'repair',
    ]);
    expect(namesOfOneKind('Set `resize` on the dataset stage')).toEqual([['resize', 'dataset']]);
    expect(namesOfKinds.get('dataset')?.has('resize')).toBe(false);
    expect(namesOfKinds.get('calibrate')?.has('statistics')).toBe(true);
  });
});
