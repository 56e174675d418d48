// What is refused of a user's: thrown where the work cannot go on, and told as a failure with a remedy by whoever runs it.

/** One class of refusals has many causes: where a cause has a remedy that the others do not have, it brings it along. */
export class Refusal extends Error {
  readonly remedy: string | undefined;

  constructor(message: string, remedy?: string) {
    super(message);
    this.remedy = remedy;
  }
}
