// A mistake of the caller (an unknown run, a stage that is not there): what is wrong and what to do. Rendered by whoever asked.

export interface Mistake {
  readonly message: string;
  readonly help?: string;
}
