// A stage instance whose references have been looked up: every edge leads to an instance and carries its place in the file.
import type { Place } from '../diagnostics/source.ts';
import type { InputPort } from '../stages/stage-kind.ts';
import type { StageInstance } from './instance.ts';

export interface LinkedStage {
  readonly instance: StageInstance;
  readonly inputs: ReadonlyMap<string, LinkedInput>;
  readonly after: readonly LinkedAfter[];
  /** Jobs whose time it decides on. */
  readonly timed: readonly StageInstance[];
}

export interface LinkedInput {
  readonly port: InputPort;
  readonly binding: LinkedBinding;
}

export type LinkedBinding =
  | { readonly shape: 'one'; readonly from: OutputRef }
  | { readonly shape: 'collect'; readonly items: readonly { readonly key: string; readonly from: OutputRef }[] }
  | { readonly shape: 'oneOf'; readonly at: Place; readonly alternatives: readonly Alternative[] };

export interface Alternative {
  readonly when: LinkedCases;
  readonly from: OutputRef | DisabledRef;
}

export interface OutputRef {
  readonly producer: StageInstance;
  readonly port: string;
  /** As written. */
  readonly text: string;
  readonly at: Place;
}

/** An output of a stage that its `enabled` left out. */
export interface DisabledRef {
  readonly disabled: string;
  readonly at: Place;
}

export interface LinkedCases {
  readonly gate: StageInstance;
  readonly cases: readonly string[];
  readonly at: Place;
}

export type LinkedAfter =
  | { readonly kind: 'stage'; readonly stage: StageInstance; readonly at: Place }
  | { readonly kind: 'case'; readonly ref: LinkedCases };

export function isDisabled(ref: OutputRef | DisabledRef): ref is DisabledRef {
  return 'disabled' in ref;
}

/** Every instance that must be decided before this one, with the place that says so; the same one may come twice. */
export function predecessors(stage: LinkedStage): readonly { readonly instance: StageInstance; readonly at: Place }[] {
  const found: { readonly instance: StageInstance; readonly at: Place }[] = [];
  const output = (ref: OutputRef | DisabledRef): void => {
    if (!isDisabled(ref)) found.push({ instance: ref.producer, at: ref.at });
  };
  for (const { binding } of stage.inputs.values()) {
    if (binding.shape === 'one') output(binding.from);
    else if (binding.shape === 'collect') for (const item of binding.items) output(item.from);
    else {
      for (const { when, from } of binding.alternatives) {
        found.push({ instance: when.gate, at: when.at });
        output(from);
      }
    }
  }
  for (const after of stage.after) {
    found.push(
      after.kind === 'stage' ? { instance: after.stage, at: after.at } : { instance: after.ref.gate, at: after.ref.at },
    );
  }
  for (const instance of stage.timed) found.push({ instance, at: stage.instance.spec.nameAt });
  return found;
}
