// Every text that tells people what to do, read from the sources by the compiler: helps of diagnostics, remedies of failures,
// what the command line advises, and the refusals of kernel and data, whose advice stands in the message itself.
import { readFileSync } from 'node:fs';
import ts from 'typescript';
import { readSources } from '../architecture/sources.ts';

export interface Remedy {
  /** `src/file.ts:12` */
  readonly at: string;
  /** `…` stands for what depends on the case. */
  readonly text: string;
}

const NAMES = new Set(['help', 'remedy', 'REPORT', 'REMEDIES', 'usage']);
/** Functions that are given a remedy, and the place of the first argument that is one. */
const CALLS: { readonly [name: string]: number } = { lasting: 1, passing: 1, refuse: 1 };

export function readRemedies(): readonly Remedy[] {
  return readSources('src').flatMap(({ path, text }) => {
    const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    const found: Remedy[] = [];
    const add = (node: ts.Node): void => {
      const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;
      found.push(...textsOf(node).map((words) => ({ at: `${path}:${line}`, text: words })));
    };
    const visit = (node: ts.Node): void => {
      for (const advice of adviceIn(node, source)) add(advice);
      ts.forEachChild(node, visit);
    };
    visit(source);
    return found;
  });
}

function adviceIn(node: ts.Node, source: ts.SourceFile): readonly ts.Node[] {
  if (ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node))
    return NAMES.has(node.name.getText(source)) && node.initializer !== undefined ? [node.initializer] : [];
  if (ts.isCallExpression(node)) return node.arguments.slice(CALLS[node.expression.getText(source)] ?? Infinity);
  if (ts.isNewExpression(node) && /\w(?<!^Job)Error$/.test(node.expression.getText(source)))
    return [...(node.arguments ?? [])];
  return [];
}

/** The texts inside an expression: each arm of a condition, each value of a table, sums as one. */
function textsOf(node: ts.Node): readonly string[] {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return [node.text];
  if (ts.isTemplateExpression(node)) {
    const whole = [node.head.text, ...node.templateSpans.map(({ literal }) => `…${literal.text}`)].join('');
    return [whole, ...node.templateSpans.flatMap(({ expression }) => conditionalTexts(expression))];
  }
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken)
    return [[node.left, node.right].map((part) => textsOf(part).join('')).join('')];
  if (ts.isConditionalExpression(node)) return [...textsOf(node.whenTrue), ...textsOf(node.whenFalse)];
  if (ts.isObjectLiteralExpression(node)) return node.properties.flatMap((member) => textsOf(member));
  if (ts.isPropertyAssignment(node)) return textsOf(node.initializer);
  if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node)) return textsOf(node.expression);
  return [];
}

function conditionalTexts(node: ts.Expression): readonly string[] {
  return ts.isConditionalExpression(node) || ts.isTemplateExpression(node) ? textsOf(node) : [];
}

/** Names of commands and options, as the reference has them, which a test of its own holds to the program. */
export function readCommands(): { readonly commands: ReadonlySet<string>; readonly options: ReadonlySet<string> } {
  const text = readFileSync('docs/reference/commands.md', 'utf8');
  const all = (pattern: RegExp): ReadonlySet<string> =>
    new Set([...text.matchAll(pattern)].map(([, name = '']) => name));
  return { commands: all(/^## (.+)$/gm), options: all(/(--[a-z][a-z-]*)/g) };
}
