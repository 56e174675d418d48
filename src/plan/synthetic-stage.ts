// Stages that nobody wrote: what a loop is unrolled into beside its body. They stand where the file says what asks for them.
import { locate } from '../diagnostics/located-json.ts';
import type { LocatedString } from '../diagnostics/located-json.ts';
import type { Place } from '../diagnostics/source.ts';
import type { StageSpec } from '../spec/workflow-spec.ts';
import type { Json } from '../support/json.ts';

/** Of this kind with these inputs, and nothing else. */
export function synthetic(kind: string, name: string, inputs: { readonly [port: string]: Json }, at: Place): StageSpec {
  return {
    name,
    nameAt: at,
    kind: reference(kind, at),
    inputs: new Map(Object.entries(inputs).map(([port, node]) => [port, { port, portAt: at, node: locate(node, at) }])),
    role: undefined,
    task: undefined,
    forEach: undefined,
    enabled: undefined,
    after: undefined,
    with: undefined,
    cases: undefined,
    casesAt: undefined,
    threads: undefined,
    seed: undefined,
    resources: undefined,
    retry: undefined,
    timeout: undefined,
    profile: undefined,
    template: undefined,
    loop: undefined,
  };
}

export function reference(text: string, at: Place): LocatedString {
  return { type: 'string', at, value: text };
}
