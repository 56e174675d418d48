// Where a setting of a stage comes from: its place in the workflow file, and the parameter behind it with who set that last.
// For explanations only; a setting that a kind makes up itself has no origin.
import { nodeAt, toJson, type Located } from '../diagnostics/located-json.ts';
import { positionOf, type Place } from '../diagnostics/source.ts';
import { parseJson } from '../spec/json-syntax.ts';
import { sourceDocument } from '../diagnostics/source.ts';
import { isJsonObject } from '../support/json.ts';
import type { SourcePlace } from './plan.ts';

export interface SettingOrigin {
  readonly at: SourcePlace;
  readonly parameter?: {
    readonly path: string;
    /** The words after `--set`, where they set it. */
    readonly set?: string;
    /** Else where it stands: the default or a params file. */
    readonly at?: SourcePlace;
  };
}

/** Values as written, by the first step of a pointer into the settings that a stage's job gets. */
export interface Written {
  readonly with: Located;
  readonly cases: Located | undefined;
  readonly task: Located | undefined;
  readonly profile: Located | undefined;
  readonly params: Located | undefined;
}

/** @param steps of the pointer, below `/settings`. */
export function settingOrigin(written: Written, steps: readonly string[]): SettingOrigin | undefined {
  const [first = ''] = steps;
  const own = written.with.type === 'object' && written.with.members.has(first);
  if (own) return originIn(written.with, steps, written.params);
  if (first === 'cases' && written.cases !== undefined) return originIn(written.cases, steps.slice(1), written.params);
  if (first === 'task' && written.task !== undefined) return originIn(written.task, steps.slice(1), written.params);
  if (written.profile === undefined) return undefined;
  const inner = first === 'profile' ? steps.slice(1) : steps;
  return originIn(written.profile, inner, written.params);
}

function originIn(root: Located, steps: readonly string[], params: Located | undefined): SettingOrigin | undefined {
  const node = nodeAt(root, steps);
  if (node === root && steps.length > 0) return undefined;
  const use = useOf(node.at);
  const at = placeOf(use);
  const parameter = parameterAt(use);
  if (parameter === undefined || params === undefined) return { at };
  // All parts of what a parameter stands for are used at its place: the steps below it lead into the parameter.
  const depth = steps.findIndex((_, index) => isSame(useOf(nodeAt(root, steps.slice(0, index + 1)).at), use)) + 1;
  const path = [...parameter.split('.'), ...(depth === 0 ? [] : steps.slice(depth))];
  const value = nodeAt(params, path);
  const { source } = value.at;
  const set = source.file === '--set' ? { set: source.text } : { at: placeOf(value.at) };
  return { at, parameter: { path: path.join('.'), ...set } };
}

/** Where the stage itself says it: the substitution for what was written elsewhere. */
function useOf(at: Place): Place {
  return at.usedAt?.at(-1) ?? at;
}

/** The path in `{"$param": "path"}`, if that is what stands there. */
function parameterAt({ source, offset, length }: Place): string | undefined {
  const text = source.text.slice(offset, offset + length);
  if (!text.startsWith('{') || !text.includes('"$param"')) return undefined;
  const parsed = parseJson(sourceDocument(source.file, text));
  const value = parsed.ok ? toJson(parsed.value) : undefined;
  const path = isJsonObject(value) ? value['$param'] : undefined;
  return typeof path === 'string' ? path : undefined;
}

function isSame(one: Place, other: Place): boolean {
  return one.source === other.source && one.offset === other.offset;
}

function placeOf({ source, offset }: Place): SourcePlace {
  return { file: source.file, ...positionOf(source, offset) };
}
