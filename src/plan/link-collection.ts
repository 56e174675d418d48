// Inputs that are several artifacts: `collect` over a fan-out or by name, also one inside of another, and `all` in order.
import {
  collectKeyMissing,
  collectKeyUnknown,
  collectNotExpected,
  collectNothing,
  disabledProducer,
} from '../diagnostics/catalogue/links.ts';
import { memberOf } from '../diagnostics/located-json.ts';
import type { Located, LocatedArray, LocatedObject } from '../diagnostics/located-json.ts';
import type { InputPort } from '../stages/stage-kind.ts';
import { nestedKey } from './evaluation-sets.ts';
import type { Problems } from './instance.ts';
import { isDisabled } from './linked-stage.ts';
import type { LinkedBinding } from './linked-stage.ts';
import type { Keyed, Lookup } from './lookup.ts';
import type { Asking } from './name-lookup.ts';

type Collection = Extract<LinkedBinding, { shape: 'collect' }>;

/** Undefined where something is wrong, which `problems` then says. */
export class CollectionLinker {
  private readonly lookup: Lookup;
  private readonly problems: Problems;

  constructor(lookup: Lookup, problems: Problems) {
    this.lookup = lookup;
    this.problems = problems;
  }

  collect(port: InputPort, node: Located, asking: Asking): Collection | undefined {
    if (!this.takesSeveral(port, node)) return undefined;
    const written = node.type === 'object' ? this.listed(port, node, asking) : this.collected(node, asking);
    if (written === undefined) return undefined;
    const wanted = written.filter(({ key }) => port.keys?.includes(key) ?? true);
    const items = wanted.flatMap(({ key, from }) => (isDisabled(from) ? [] : [{ key, from }]));
    for (const key of port.keys ?? []) {
      const found = wanted.find((item) => item.key === key);
      if (found === undefined) return void this.problems.push(collectKeyMissing(node.at, port.name, key));
      if (isDisabled(found.from)) return void this.problems.push(disabledProducer(found.from.at, found.from.disabled));
    }
    const nothing = items.length === 0 && port.keys?.length !== 0;
    if (nothing && node.type === 'string') return void this.problems.push(collectNothing(node.at, node.value));
    return { shape: 'collect', items };
  }

  /** Several artifacts in the order they are written, under their numbers. */
  all(port: InputPort, node: LocatedArray, asking: Asking): Collection | undefined {
    if (!this.takesSeveral(port, node)) return undefined;
    const items = node.items.map((item, index) => ({ key: String(index), keyAt: item.at, value: item }));
    const members = new Map(items.map((member) => [member.key, member]));
    const listed = this.listed(port, { type: 'object', at: node.at, members }, asking);
    const disabled = listed?.find(({ from }) => isDisabled(from))?.from;
    if (disabled !== undefined && isDisabled(disabled))
      return void this.problems.push(disabledProducer(disabled.at, disabled.disabled));
    return (
      listed && {
        shape: 'collect',
        items: listed.flatMap(({ key, from }) => (isDisabled(from) ? [] : [{ key, from }])),
      }
    );
  }

  private takesSeveral(port: InputPort, node: Located): boolean {
    if (port.arity === 'collect' || port.type === 'any' || port.unused === true || port.named === true) return true;
    this.problems.push(collectNotExpected(node.at, port.name));
    return false;
  }

  /** Everything of a fan-out, whatever the own key is. */
  private collected(node: Located, asking: Asking): readonly Keyed[] | undefined {
    return this.lookup.members(node, asking);
  }

  private listed(port: InputPort, node: LocatedObject, asking: Asking): readonly Keyed[] | undefined {
    const before = this.problems.length;
    const items = [...node.members.values()].flatMap(({ key, keyAt, value }): readonly Keyed[] => {
      if (port.keys?.includes(key) === false) this.problems.push(collectKeyUnknown(keyAt, port.name, key, port.keys));
      const inner = port.nested === true ? memberOf(value, 'collect') : undefined;
      if (inner !== undefined) return this.inner(port, key, inner, asking);
      // Names of sets are no keys of a fan-out: those references zip as a single one would.
      const keys = port.named === true ? asking.from.keys : [key, ...asking.from.keys];
      const from = this.lookup.output(value, port.name, { ...asking, from: { ...asking.from, keys } });
      return from === undefined || from === 'left out' ? [] : [{ key, from }];
    });
    return this.problems.length > before ? undefined : items;
  }

  /** A collection inside of one. */
  private inner(
    { nested: _nested, ...port }: InputPort,
    outer: string,
    node: Located,
    asking: Asking,
  ): readonly Keyed[] {
    const items = node.type === 'object' ? this.listed(port, node, asking) : this.collected(node, asking);
    return (items ?? []).map(({ key, from }) => ({ key: nestedKey(outer, key), from }));
  }
}
