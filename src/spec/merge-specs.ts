// A workflow and the files it includes → one workflow. Names are declared once; parameters of the including file win.
import { declaredTwice } from '../diagnostics/catalogue/groups.ts';
import type { Diagnostic } from '../diagnostics/diagnostic.ts';
import { toJson } from '../diagnostics/located-json.ts';
import type { Located, LocatedObject, Member } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import type { WorkflowSpec } from './workflow-spec.ts';

/** @param parts what `whole` includes, in that order, already merged with what they include themselves. */
export function mergeSpecs(whole: WorkflowSpec, parts: readonly WorkflowSpec[], problems: Diagnostic[]): WorkflowSpec {
  return parts.reduceRight((merged, part) => mergePart(merged, part, problems), whole);
}

function mergePart(whole: WorkflowSpec, part: WorkflowSpec, problems: Diagnostic[]): WorkflowSpec {
  const { model } = whole;
  if (model !== undefined && part.model !== undefined)
    problems.push(declaredTwice(model.keyAt, 'the', 'model', part.model.keyAt));
  return {
    ...whole,
    sources: [...whole.sources, ...part.sources],
    params: mergeLocated(part.params, whole.params),
    kinds: listsOf(part.kinds, whole.kinds),
    paramsSchemas: [...part.paramsSchemas, ...whole.paramsSchemas],
    profiles: union('profile', part.profiles, whole.profiles, problems),
    tasks: union('task', part.tasks, whole.tasks, problems),
    model: model ?? part.model,
    templates: union('template', part.templates, whole.templates, problems),
    stages: union('stage', part.stages, whole.stages, problems),
    outputs:
      part.outputs === undefined || whole.outputs === undefined
        ? (whole.outputs ?? part.outputs)
        : union('output', part.outputs, whole.outputs, problems),
  };
}

function listsOf(part: Located | undefined, whole: Located | undefined): Located | undefined {
  if (part?.type !== 'array' || whole?.type !== 'array') return whole ?? part;
  const own = whole.items.map(toJson);
  return { ...whole, items: [...part.items.filter((item) => !own.includes(toJson(item))), ...whole.items] };
}

function union<T extends { readonly nameAt: Place }>(
  what: string,
  part: ReadonlyMap<string, T>,
  whole: ReadonlyMap<string, T>,
  problems: Diagnostic[],
): ReadonlyMap<string, T> {
  for (const [name, { nameAt }] of whole) {
    const before = part.get(name);
    if (before !== undefined) problems.push(declaredTwice(nameAt, what, name, before.nameAt));
  }
  return new Map([...part, ...whole]);
}

/** Objects member by member; anything else of `over` replaces what was there. */
function mergeLocated(base: Located | undefined, over: Located | undefined): Located | undefined {
  if (base === undefined || over === undefined) return over ?? base;
  return base.type === 'object' && over.type === 'object' ? mergeObjects(base, over) : over;
}

function mergeObjects(base: LocatedObject, over: LocatedObject): LocatedObject {
  const members = new Map<string, Member>(base.members);
  for (const member of over.members.values()) {
    const value = mergeLocated(base.members.get(member.key)?.value, member.value) ?? member.value;
    members.set(member.key, { ...member, value });
  }
  return { ...over, members };
}
