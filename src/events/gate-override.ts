// A decision that a person took in place of a gate, as files, events and verdicts hold it.

export type GateOverride = {
  readonly case: string;
  readonly who: string;
  readonly why: string;
  /** ISO 8601, UTC. */
  readonly when: string;
  /** Of the decision that it replaces: it holds while the gate's numbers and cases give exactly this key. */
  readonly key: string;
};

export interface RecordedOverride {
  readonly workflow: string;
  readonly stage: string;
  readonly override: GateOverride;
}
