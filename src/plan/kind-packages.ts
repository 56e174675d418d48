// Stage kinds that packages bring along: finds each package that a workflow lists, reads its package.json and kind files,
// checks them with the places of every problem. Reads JSON and names of files; runs nothing of the package.
import { stat } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import kindSchema from '../../schemas/kind.schema.json' with { type: 'json' };
import {
  fileSettingUnknown,
  kindPackageMissing,
  kindPackageName,
  kindTaken,
  leavesPackage,
  packageFileMissing,
  packageUnreadable,
  packageWithoutKinds,
  settingsSchemaBroken,
} from '../diagnostics/catalogue/kinds.ts';
import { wrongShape } from '../diagnostics/catalogue/parameters.ts';
import { innerPlace, memberOf } from '../diagnostics/located-json.ts';
import type { Located, LocatedString } from '../diagnostics/located-json.ts';
import { checkSchema } from '../spec/schema-check.ts';
import { schemaProblem } from '../spec/validators.ts';
import { declaredKind, type KindDeclaration } from '../stages/declared-kind.ts';
import { stageKinds } from '../stages/registry.ts';
import type { KindProgram, StageKind } from '../stages/stage-kind.ts';
import { isJsonObject } from '../support/json.ts';
import { jsonModule } from '../support/json-module.ts';
import type { Problems } from './instance.ts';
import { packageFiles } from './package-files.ts';
import { readLocatedJson, type Looking } from './read-document.ts';

const schema = jsonModule(kindSchema);
const packageName = /^(?:@[a-z0-9][\w.-]*\/)?[a-z0-9][\w.-]*$/;

export interface KindPlaces extends Looking {
  /** Path of the workflow file. */
  readonly workflow: string;
  readonly root: string;
}

/** The known kinds and those of every listed package. */
export async function withPackagedKinds(
  known: ReadonlyMap<string, StageKind>,
  listed: Located | undefined,
  places: KindPlaces,
  problems: Problems,
): Promise<ReadonlyMap<string, StageKind>> {
  const kinds = new Map(known);
  const madeBy = new Map<string, string>();
  for (const item of listed?.type === 'array' ? listed.items : []) {
    if (item.type !== 'string') problems.push(wrongShape(item.at, 'kinds', 'a list of packages'));
    else {
      const name = item.value;
      for (const { kind, at } of await kindsOf(item, places, problems)) {
        const taken = madeBy.get(kind.kind) ?? (known.has(kind.kind) ? ownerOf(kind.kind) : undefined);
        if (taken !== undefined) problems.push(kindTaken(at, kind.kind, taken));
        else kinds.set(kind.kind, kind);
        madeBy.set(kind.kind, taken ?? `of package "${name}"`);
      }
    }
  }
  return kinds;
}

function ownerOf(kind: string): string {
  return stageKinds.has(kind) ? "headgate's own" : "the calling program's";
}

interface Placed {
  readonly kind: StageKind;
  readonly at: Parameters<typeof kindTaken>[0];
}

async function kindsOf(item: LocatedString, places: KindPlaces, problems: Problems): Promise<readonly Placed[]> {
  const name = item.value;
  if (!name.startsWith('./') && !packageName.test(name)) {
    problems.push(kindPackageName(innerPlace(item), name));
    return [];
  }
  const folder = await findPackage(name, places);
  if (folder === undefined) {
    problems.push(kindPackageMissing(innerPlace(item), name));
    return [];
  }
  const manifest = await readLocatedJson(join(folder, 'package.json'), places);
  if (!manifest.ok) {
    problems.push(...manifest.error);
    return [];
  }
  const files = memberOf(memberOf(manifest.value, 'headgate'), 'kinds');
  if (files?.type !== 'array' || files.items.length === 0) {
    problems.push(packageWithoutKinds(join(folder, 'package.json')));
    return [];
  }
  const own = memberOf(manifest.value, 'name');
  const label = own?.type === 'string' ? own.value : name;
  const kinds: Placed[] = [];
  for (const file of files.items) {
    const path = file.type === 'string' ? insidePackage(file.value) : undefined;
    if (path === undefined) problems.push(leavesPackage(innerPlace(file), file.type === 'string' ? file.value : '…'));
    else {
      const kind = await readKind(join(folder, path), { folder, label, ...places }, problems);
      if (kind !== undefined) kinds.push(kind);
    }
  }
  return kinds;
}

/** A path inside the root, or the nearest `node_modules/<name>` above the workflow or the root. */
async function findPackage(name: string, { workflow, root }: KindPlaces): Promise<string | undefined> {
  const home = resolve(root);
  if (name.startsWith('./')) {
    const folder = resolve(dirname(workflow), name);
    const inside = folder === home || folder.startsWith(home + sep);
    return inside && (await exists(join(folder, 'package.json'))) ? folder : undefined;
  }
  for (const start of [dirname(resolve(workflow)), home]) {
    for (let folder = start; ; folder = dirname(folder)) {
      const candidate = join(folder, 'node_modules', name);
      if (await exists(join(candidate, 'package.json'))) return candidate;
      if (dirname(folder) === folder) break;
    }
  }
  return undefined;
}

interface Package extends Looking {
  readonly folder: string;
  readonly label: string;
}

async function readKind(file: string, from: Package, problems: Problems): Promise<Placed | undefined> {
  const node = await readLocatedJson(file, from);
  if (!node.ok) return void problems.push(...node.error);
  const checked = checkSchema(schema, node.value, 'the stage kind');
  if (!checked.ok) return void problems.push(...checked.error);
  const before = problems.length;
  const declaration = checked.value;
  if (!isDeclaration(declaration)) return undefined;
  checkSettings(declaration, node.value, problems);
  const program = await programOf(declaration, node.value, from, problems);
  const kindNode = memberOf(node.value, 'kind') ?? node.value;
  return problems.length > before ? undefined : { kind: declaredKind(declaration, program), at: innerPlace(kindNode) };
}

/** Of a value that fits the schema. */
function isDeclaration(value: unknown): value is KindDeclaration {
  return isJsonObject(value);
}

function checkSettings({ settings, files = [] }: KindDeclaration, node: Located, problems: Problems): void {
  const settingsNode = memberOf(node, 'settings') ?? node;
  const problem = settings === undefined ? undefined : schemaProblem(settings);
  if (problem !== undefined) problems.push(settingsSchemaBroken(settingsNode.at, problem));
  const properties = isJsonObject(settings?.['properties']) ? Object.keys(settings['properties']) : [];
  const filesNode = memberOf(node, 'files');
  for (const [index, name] of files.entries()) {
    const at = filesNode?.type === 'array' ? (filesNode.items[index] ?? filesNode) : node;
    if (!properties.includes(name)) problems.push(fileSettingUnknown(innerPlace(at), name, properties));
  }
}

async function programOf(
  { job }: KindDeclaration,
  node: Located,
  { folder, label, onLook }: Package,
  problems: Problems,
): Promise<KindProgram> {
  const jobNode = memberOf(node, 'job');
  const checkFiles = async (list: Located | undefined): Promise<void> => {
    for (const word of list?.type === 'array' ? list.items : []) {
      if (word.type !== 'string' || !word.value.startsWith('.')) continue;
      const path = insidePackage(word.value);
      if (path === undefined) problems.push(leavesPackage(innerPlace(word), word.value));
      else if (!(await exists(join(folder, path)))) problems.push(packageFileMissing(innerPlace(word), word.value));
    }
  };
  await checkFiles(memberOf(jobNode, 'argv'));
  await checkFiles(memberOf(jobNode, 'code'));
  const [program = '', ...args] = job.argv.map((word) => (word.startsWith('./') ? join(folder, word) : word));
  const listed = await packageFiles(folder, job.code ?? ['.'], (path) => onLook?.(path, 'data'));
  if (!listed.ok) problems.push(packageUnreadable(innerPlace(jobNode ?? node), listed.error));
  const code = listed.ok ? listed.value : [];
  for (const path of code) onLook?.(join(folder, path), 'data');
  return {
    argv: [program === 'node' ? process.execPath : program, ...args],
    declared: job.argv,
    code: code.map((path) => ({ name: `${label}/${path}`, path: join(folder, path) })),
  };
}

function insidePackage(path: string): string | undefined {
  return path.startsWith('./') && !path.split('/').includes('..') ? path : undefined;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
