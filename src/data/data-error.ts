// Data that cannot be read, found or trusted: a user's problem, with what to do about it. Not for bugs.

export class DataError extends Error {
  override readonly name = 'DataError';
  readonly remedy: string | undefined;

  constructor(message: string, remedy?: string) {
    super(message);
    this.remedy = remedy;
  }
}
