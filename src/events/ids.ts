// Names of things that events, records and files refer to.

/** A stage of the plan: `check[detection]`, `merge`. Unique in one plan; never part of a key. */
export type StageId = string & { readonly __brand: 'stage' };
/** A run of a workflow: sortable by time of start. */
export type RunId = string & { readonly __brand: 'run' };

export const stageId = (text: string): StageId => text as StageId;
export const runId = (text: string): RunId => text as RunId;
