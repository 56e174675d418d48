// What an editor makes of a workflow: the JSON language service of VS Code, given nothing but the file's `$schema`.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { getLanguageService, TextDocument, type CompletionItem, type Diagnostic } from 'vscode-json-languageservice';

export interface EditorProblem {
  /** 1-based, as headgate counts. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

const service = getLanguageService({
  schemaRequestService: (uri) => readFile(fileURLToPath(uri), 'utf8'),
  workspaceContext: { resolveRelativePath: (path, from) => new URL(path, from).href },
});
service.configure({ validate: true, allowComments: false });

/** The problems an editor underlines in the file; its schema is the one that it names. */
export async function editorProblems(path: string, text: string): Promise<readonly EditorProblem[]> {
  const document = documentOf(path, text);
  const found = await service.doValidation(document, service.parseJSONDocument(document));
  return found.map((problem) => placed(problem));
}

/** What is offered where `|` stands in the text. */
export async function completions(path: string, text: string): Promise<readonly CompletionItem[]> {
  const { document, position } = atCursor(path, text);
  const list = await service.doComplete(document, position, service.parseJSONDocument(document));
  return list?.items ?? [];
}

/** What is shown when the pointer rests where `|` stands, without the marks of markdown. */
export async function hover(path: string, text: string): Promise<string> {
  const { document, position } = atCursor(path, text);
  const shown = await service.doHover(document, position, service.parseJSONDocument(document));
  const contents = shown === null ? [] : [shown.contents].flat();
  return contents
    .map((part) => (typeof part === 'string' ? part : part.value))
    .join('\n')
    .replaceAll(/\\([^\w\s])/g, '$1');
}

function atCursor(
  path: string,
  text: string,
): { document: TextDocument; position: ReturnType<TextDocument['positionAt']> } {
  const cursor = text.indexOf('|');
  if (cursor < 0) throw new Error('the text shows no cursor');
  const document = documentOf(path, text.replace('|', ''));
  return { document, position: document.positionAt(cursor) };
}

function documentOf(path: string, text: string): TextDocument {
  return TextDocument.create(pathToFileURL(join(import.meta.dirname, '../..', path)).href, 'json', 1, text);
}

function placed({ range, message }: Diagnostic): EditorProblem {
  const words = typeof message === 'string' ? message : message.value;
  return { line: range.start.line + 1, column: range.start.character + 1, message: words };
}
