// References as written: `stage.port`, `stage[key].port[key]`, `group[key]/stage.port`, `gate:case`, `group/gate[*]:case`.
// Parsed once, with the place of every part; whether they exist is for `plan/` to say.
import { within } from '../diagnostics/located-json.ts';
import type { LocatedString } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';

export interface Word {
  readonly text: string;
  readonly at: Place;
}

/** `stage` or `stage[key]`; before the last one, a template's or a loop's stage. */
export interface Step {
  readonly stage: Word;
  readonly key: Word | undefined;
}

interface Path {
  readonly text: string;
  readonly at: Place;
  readonly steps: readonly [Step, ...Step[]];
}

/** `stage[key].port[key]` */
export interface PortReference extends Path {
  readonly port: Word;
  readonly portKey: Word | undefined;
}

/** `stage[key]` or `gate[key]:case`; the key `*` means every instance. */
export interface OrderReference extends Path {
  readonly case: Word | undefined;
}

const name = '[A-Za-z][A-Za-z0-9_-]*';
const key = '[A-Za-z0-9][A-Za-z0-9_.,-]*';
const path = (keyForm: string): string => {
  const step = `${name}(?:\\[${keyForm}\\])?`;
  return `(${step}(?:/${step})*)`;
};
const portForm = new RegExp(`^${path(key)}\\.(${name})(?:\\[(${key})\\])?$`, 'd');
const orderForm = new RegExp(`^${path(`(?:\\*|${key})`)}(?::(${name}))?$`, 'd');
const stepForm = /([^[/\]]+)(?:\[([^\]]+)\])?/dg;

/** Undefined when the text does not have the form of a reference to a port. */
export function parsePortReference(node: LocatedString): PortReference | undefined {
  const match = portForm.exec(node.value);
  const steps = stepsOf(node, match?.[1]);
  const word = words(node, match);
  const port = word(2);
  if (steps === undefined || port === undefined) return undefined;
  return { text: node.value, at: within(node, 0, node.value.length), steps, port, portKey: word(3) };
}

/** Undefined when the text does not have the form of a stage or a gate's case. */
export function parseOrderReference(node: LocatedString): OrderReference | undefined {
  const match = orderForm.exec(node.value);
  const steps = stepsOf(node, match?.[1]);
  if (steps === undefined) return undefined;
  return { text: node.value, at: within(node, 0, node.value.length), steps, case: words(node, match)(2) };
}

/** The path begins the text, so that places in it are places in the text. */
function stepsOf(node: LocatedString, pathText: string | undefined): PortReference['steps'] | undefined {
  const [first, ...rest] = [...(pathText ?? '').matchAll(stepForm)].flatMap((match): Step[] => {
    const word = words(node, match);
    const stage = word(1);
    return stage === undefined ? [] : [{ stage, key: word(2) }];
  });
  return first === undefined ? undefined : [first, ...rest];
}

function words(node: LocatedString, match: RegExpExecArray | null): (group: number) => Word | undefined {
  return (group) => {
    const text = match?.[group];
    const span = match?.indices?.[group];
    if (text === undefined || span === undefined) return undefined;
    return { text, at: within(node, span[0], span[1] - span[0]) };
  };
}
