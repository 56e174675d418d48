// A workflow as written: every part with its place, nothing looked up and nothing filled in yet.
import type { Located, LocatedString, Member } from '../diagnostics/located-json.ts';
import type { Place, SourceDocument } from '../diagnostics/source.ts';

export interface WorkflowSpec {
  readonly source: SourceDocument;
  /** Every file that the workflow was read from: its own, then those it includes. */
  readonly sources: readonly SourceDocument[];
  readonly name: string;
  /** Other workflow files, as written. */
  readonly include: readonly Located[];
  readonly params: Located | undefined;
  /** Packages whose stage kinds the workflow uses. */
  readonly kinds: Located | undefined;
  /** JSON Schemas of the parameters, one per file that has one. */
  readonly paramsSchemas: readonly Located[];
  readonly profiles: ReadonlyMap<string, NamedNode>;
  readonly tasks: ReadonlyMap<string, NamedNode>;
  readonly model: Member | undefined;
  readonly templates: ReadonlyMap<string, TemplateSpec>;
  readonly stages: ReadonlyMap<string, StageSpec>;
  /** What people take away, by the name it gets; undefined where no file says. */
  readonly outputs: ReadonlyMap<string, NamedNode> | undefined;
}

/** A sub-DAG with a name: used by stages of kind `template`, once for each of their instances. */
export interface TemplateSpec {
  readonly name: string;
  readonly nameAt: Place;
  /** Arguments with their defaults. */
  readonly args: Located | undefined;
  readonly inputs: ReadonlyMap<string, TemplateInput>;
  readonly stages: ReadonlyMap<string, StageSpec>;
  /** Name → reference to an output of one of its stages. */
  readonly outputs: ReadonlyMap<string, InputSpec>;
}

export interface TemplateInput {
  readonly name: string;
  readonly optional: boolean;
}

export interface NamedNode {
  readonly name: string;
  readonly nameAt: Place;
  readonly node: Located;
}

export interface StageSpec {
  readonly name: string;
  readonly nameAt: Place;
  readonly kind: LocatedString;
  readonly role: Located | undefined;
  readonly task: Located | undefined;
  readonly forEach: Located | undefined;
  readonly enabled: Located | undefined;
  readonly inputs: ReadonlyMap<string, InputSpec>;
  readonly after: Located | undefined;
  readonly with: Located | undefined;
  readonly cases: Located | undefined;
  readonly casesAt: Place | undefined;
  readonly threads: Located | undefined;
  readonly seed: Located | undefined;
  readonly resources: Located | undefined;
  readonly retry: Located | undefined;
  readonly timeout: Located | undefined;
  /** The profile of this stage, and of all inside it. */
  readonly profile: Located | undefined;
  /** Stages of kind `template` only. */
  readonly template: Located | undefined;
  /** Stages of kind `loop` only: there where any of its fields is written. */
  readonly loop: LoopSpec | undefined;
}

/** What repeats in a loop, what it hands on, and when it ends. */
export interface LoopSpec {
  /** The first of its fields, for problems with its being there. */
  readonly field: Word;
  readonly carry: ReadonlyMap<string, CarrySpec>;
  readonly body: ReadonlyMap<string, StageSpec>;
  readonly until: Located | undefined;
  readonly maxIterations: Located | undefined;
  /** How long the work of its iterations may take. */
  readonly budget: Located | undefined;
  readonly onExhausted: Located | undefined;
  readonly outputs: ReadonlyMap<string, InputSpec>;
}

export interface Word {
  readonly text: string;
  readonly at: Place;
}

/** A value that goes round: what the first iteration reads, and what each one gives to the next. */
export interface CarrySpec {
  readonly name: string;
  readonly nameAt: Place;
  readonly first: Located;
  readonly next: Located;
}

export interface InputSpec {
  readonly port: string;
  readonly portAt: Place;
  readonly node: Located;
}
