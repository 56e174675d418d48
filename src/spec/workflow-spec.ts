// A workflow as written: every part with its place, nothing looked up and nothing filled in yet.
import type { Located, LocatedString } from '../diagnostics/located-json.ts';
import type { Place, SourceDocument } from '../diagnostics/source.ts';

export interface WorkflowSpec {
  readonly source: SourceDocument;
  readonly name: string;
  readonly params: Located | undefined;
  /** Packages whose stage kinds the workflow uses. */
  readonly kinds: Located | undefined;
  readonly profiles: ReadonlyMap<string, NamedNode>;
  readonly tasks: ReadonlyMap<string, NamedNode>;
  readonly modelFrom: Located | undefined;
  readonly stages: ReadonlyMap<string, StageSpec>;
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
  /** Empty where the stage has none. */
  readonly role: string;
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
}

export interface InputSpec {
  readonly port: string;
  readonly portAt: Place;
  readonly node: Located;
}
