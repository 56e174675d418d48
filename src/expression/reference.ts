// References as written: `stage.port`, `stage[key].port`, `stage.port[key]`, `gate:case`, `gate[key]:case`, `stage[*]`.
// Parsed once, with the place of every part; whether they exist is for `plan/` to say.
import { within } from '../diagnostics/located-json.ts';
import type { LocatedString } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';

export interface Word {
  readonly text: string;
  readonly at: Place;
}

/** `stage[key].port[key]` */
export interface PortReference {
  readonly text: string;
  readonly at: Place;
  readonly stage: Word;
  readonly key: Word | undefined;
  readonly port: Word;
  readonly portKey: Word | undefined;
}

/** `stage[key]` or `gate[key]:case`; the key `*` means every instance. */
export interface OrderReference {
  readonly text: string;
  readonly at: Place;
  readonly stage: Word;
  readonly key: Word | undefined;
  readonly case: Word | undefined;
}

const name = '[A-Za-z][A-Za-z0-9_-]*';
const key = '[A-Za-z0-9][A-Za-z0-9_.-]*';
const portForm = new RegExp(`^(${name})(?:\\[(${key})\\])?\\.(${name})(?:\\[(${key})\\])?$`, 'd');
const orderForm = new RegExp(`^(${name})(?:\\[(\\*|${key})\\])?(?::(${name}))?$`, 'd');

/** Undefined when the text does not have the form of a reference to a port. */
export function parsePortReference(node: LocatedString): PortReference | undefined {
  const word = words(node, portForm.exec(node.value));
  const [stage, port] = [word(1), word(3)];
  if (stage === undefined || port === undefined) return undefined;
  return { text: node.value, at: within(node, 0, node.value.length), stage, key: word(2), port, portKey: word(4) };
}

/** Undefined when the text does not have the form of a stage or a gate's case. */
export function parseOrderReference(node: LocatedString): OrderReference | undefined {
  const word = words(node, orderForm.exec(node.value));
  const stage = word(1);
  if (stage === undefined) return undefined;
  return { text: node.value, at: within(node, 0, node.value.length), stage, key: word(2), case: word(3) };
}

function words(node: LocatedString, match: RegExpExecArray | null): (group: number) => Word | undefined {
  return (group) => {
    const text = match?.[group];
    const span = match?.indices?.[group];
    if (text === undefined || span === undefined) return undefined;
    return { text, at: within(node, span[0], span[1] - span[0]) };
  };
}
