// Stages of the file → instances, group by group: forEach, `enabled`, templates, loops, substitution, settings against
// their kind's schema. References are not looked up yet.
import { fieldNotTaken, tooManyStages } from '../diagnostics/catalogue/groups.ts';
import { unknownKind } from '../diagnostics/catalogue/parameters.ts';
import { ENOUGH_PROBLEMS } from '../diagnostics/diagnostic.ts';
import { innerPlace } from '../diagnostics/located-json.ts';
import type { StageSpec } from '../spec/workflow-spec.ts';
import { groupKinds, type GroupKind } from '../stages/group-kinds.ts';
import type { Expander } from './expander.ts';
import { InstanceBuilder } from './build-instance.ts';
import type { Declarations } from './declarations.ts';
import { expandLoop } from './expand-loop.ts';
import { expandTemplate } from './expand-template.ts';
import { itemsOf, maxStages } from './items.ts';
import { placeBeyond } from './stage-count.ts';
import { stageScope } from './stage-scope.ts';
import type { Around, StageScope } from './stage-scope.ts';
import type { FanOut, Namespace, Problems, StageGroup, StageInstance } from './instance.ts';

export function expandStages(declarations: Declarations, problems: Problems): Namespace {
  const root: Namespace = { path: '', pathName: '', fanOuts: new Map(), outer: undefined, given: undefined };
  const around: Around = {
    from: { namespace: root, keys: [] },
    scope: { params: declarations.params.values, paramsNode: declarations.params.node },
    task: undefined,
    profile: undefined,
    required: [],
    templates: [],
  };
  const beyond = placeBeyond(maxStages, declarations);
  if (beyond !== undefined) {
    problems.push(tooManyStages(beyond, maxStages));
    return root;
  }
  new Expansion(declarations, problems).expand(declarations.spec.stages.values(), around);
  return root;
}

/** Kinds that the planner itself takes apart. */
const expanders: {
  readonly [kind in GroupKind['kind']]: (
    expander: Expander,
    spec: StageSpec,
    own: StageScope,
  ) => StageGroup | undefined;
} = {
  template: expandTemplate,
  loop: expandLoop,
};

class Expansion implements Expander {
  readonly declarations: Declarations;
  readonly problems: Problems;
  private count = 0;

  constructor(declarations: Declarations, problems: Problems) {
    this.declarations = declarations;
    this.problems = problems;
  }

  expand(specs: Iterable<StageSpec>, around: Around): void {
    for (const spec of specs) {
      if (this.count > maxStages || this.problems.length >= ENOUGH_PROBLEMS) return;
      const fanOut = this.fanOut(spec, around);
      if (fanOut !== undefined) around.from.namespace.fanOuts.set(spec.name, fanOut);
    }
  }

  private fanOut(spec: StageSpec, around: Around): FanOut | undefined {
    const build = this.builderOf(spec);
    if (build === undefined) return undefined;
    const { domain, items } = itemsOf(spec, this.declarations, around.scope, this.problems);
    const instances = new Map<string, StageInstance | StageGroup>();
    const disabled = new Set<string>();
    for (const item of items) {
      const index = ++this.count;
      if (index > maxStages) {
        if (index === maxStages + 1) this.problems.push(tooManyStages(spec.nameAt, maxStages));
        break;
      }
      const own = stageScope(this.declarations, spec, item, around, this.problems);
      if (own === 'disabled') disabled.add(item.key);
      else if (own !== undefined) {
        const built = build(own, index);
        if (built !== undefined) instances.set(item.key, built);
      }
    }
    return { spec, domain, instances, disabled };
  }

  private builderOf(
    spec: StageSpec,
  ): ((own: StageScope, index: number) => StageInstance | StageGroup | undefined) | undefined {
    const { declarations, problems } = this;
    const name = spec.kind.value;
    const { loop, template } = spec;
    if (loop !== undefined && name !== 'loop')
      problems.push(fieldNotTaken(loop.field.at, loop.field.text, name, 'only stages of kind loop repeat'));
    if (template !== undefined && name !== 'template')
      problems.push(fieldNotTaken(template.at, 'template', name, 'write "kind": "template"'));
    const group = groupKinds.find(({ kind }) => kind === name);
    if (group !== undefined) return (own) => expanders[group.kind](this, spec, own);
    const kind = declarations.kinds.get(name);
    if (kind !== undefined)
      return (own, index) => new InstanceBuilder(declarations, spec, kind, own, problems).build(index);
    problems.push(
      unknownKind(innerPlace(spec.kind), name, [
        ...declarations.kinds.keys(),
        ...groupKinds.map(({ kind: known }) => known),
      ]),
    );
    return undefined;
  }
}
