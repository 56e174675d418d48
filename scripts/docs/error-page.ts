// docs/reference/errors.md: every diagnostic with its words, read from the catalogue, and an example from the fixtures.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { generatedNote } from './markdown.ts';

interface Problem {
  readonly code: string;
  /** The constructor's name as words: `unknown kind`. */
  readonly title: string;
  readonly message: string;
  readonly help: string | undefined;
}

export function errorPage(root: string): string {
  const folder = join(root, 'src/diagnostics/catalogue');
  const examples = readExamples(join(root, 'test/fixtures/workflows'));
  const sections = readdirSync(folder)
    .map((file) => ({ file, source: readFileSync(join(folder, file), 'utf8') }))
    .map(({ file, source }) => ({ head: headOf(source), problems: problemsIn(file, source) }))
    .filter(({ problems }) => problems.length > 0)
    .sort((left, right) => (left.problems[0]?.code ?? '').localeCompare(right.problems[0]?.code ?? '', 'en'));
  return `${[
    '# Reference: errors in workflows',
    generatedNote('npm run reference'),
    'Every problem is told with its place, its cause and what to do about it. Nothing has run when one of these is printed; the exit code is 2. A warning is printed beside a plan that can run, and changes no exit code. `…` stands for what depends on the workflow.',
    ...sections.flatMap(({ head, problems }) => [
      `## ${head}`,
      ...problems.flatMap((problem) => described(problem, examples.get(problem.code))),
    ]),
  ].join('\n\n')}\n`;
}

function described({ code, title, message, help }: Problem, example: Example | undefined): readonly string[] {
  return [
    `### ${code}: ${title}`,
    `${message
      .split('\n')
      .map((line) => `> ${line}`)
      .join('\n')}${help === undefined ? '' : `\n>\n> help: ${help}`}`,
    ...(example === undefined
      ? []
      : [
          `For example [${example.name}.json](../../test/fixtures/workflows/${example.name}.json):`,
          `\`\`\`\n${example.text}\n\`\`\``,
        ]),
  ];
}

/** Constructors of a catalogue file, by the compiler's own reading of it. */
export function problemsIn(file: string, text: string): readonly Problem[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const problems: Problem[] = [];
  for (const statement of source.statements) {
    if (!ts.isFunctionDeclaration(statement) || statement.name === undefined) continue;
    const { name } = statement;
    const visit = (node: ts.Node): void => {
      if (
        ts.isCallExpression(node) &&
        ['errorAt', 'errorInFile', 'warningAt', 'warningInFile'].includes(node.expression.getText(source))
      ) {
        const [codeNode] = node.arguments;
        const words = node.arguments.at(-1);
        if (codeNode !== undefined && ts.isStringLiteral(codeNode) && words !== undefined) {
          problems.push({
            code: codeNode.text,
            title: spaced(name.text),
            message: property(words, 'message') ?? '',
            help: property(words, 'help'),
          });
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(statement);
  }
  return problems.sort((left, right) => left.code.localeCompare(right.code, 'en'));
}

function property(words: ts.Node, name: string): string | undefined {
  if (!ts.isObjectLiteralExpression(words)) return undefined;
  const found = words.properties.find((member) => member.name?.getText() === name);
  if (found === undefined) return undefined;
  return ts.isPropertyAssignment(found) ? wordsOf(found.initializer) : '…';
}

/** An expression as the words it can become. */
function wordsOf(node: ts.Expression): string {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return node.text;
  if (ts.isTemplateExpression(node))
    return [node.head.text, ...node.templateSpans.map((span) => `…${span.literal.text}`)].join('');
  if (ts.isConditionalExpression(node)) {
    const [one, other] = [wordsOf(node.whenTrue), wordsOf(node.whenFalse)];
    return other === '…' && node.whenFalse.getText() === 'undefined' ? one : `${one}, or: ${other}`;
  }
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken)
    return `${wordsOf(node.left)}${wordsOf(node.right)}`;
  return '…';
}

interface Example {
  readonly name: string;
  readonly text: string;
}

/** The shortest told example of each code. */
function readExamples(folder: string): ReadonlyMap<string, Example> {
  const examples = new Map<string, Example>();
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.txt'))
    .sort()) {
    for (const block of readFileSync(join(folder, file), 'utf8').split(/\n(?=\S+(?::\d+:\d+)? HG\d+ )/)) {
      const code = /^\S+ (HG\d+) /.exec(block)?.[1];
      const text = block.replace(/^\S*\//, '').trimEnd();
      const known = code === undefined ? undefined : examples.get(code);
      if (code !== undefined && (known === undefined || text.length < known.text.length))
        examples.set(code, { name: file.slice(0, -4), text });
    }
  }
  return examples;
}

/** `HG14xx: gates, their cases, and joins` of the comment that a catalogue file opens with. */
function headOf(source: string): string {
  return (/^\/\/ (.*?)(?: One constructor per problem\.)?$/m.exec(source)?.[1] ?? '').replace(/\.$/, '');
}

function spaced(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}
