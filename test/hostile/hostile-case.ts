// One hostile input: what is put into an empty folder, the command line that meets it, and what must come of it.

export interface HostileCase {
  readonly name: string;
  /** What is in the folder beforehand. */
  readonly begin?: Begin;
  /** Makes, or spoils, files in the folder that the command line then runs in. */
  readonly files?: (root: string) => Promise<void> | void;
  readonly args: readonly string[];
  readonly exit: number;
  /** Found in what is printed, both streams together. */
  readonly says: string | RegExp;
  /** Must not be printed. */
  readonly hides?: RegExp;
  /** Looks at what is left behind; throws when it is not well. */
  readonly after?: (root: string) => Promise<void> | void;
  readonly seconds?: number;
  readonly megabytes?: number;
  /** Why it cannot be tried here. */
  readonly skip?: string | undefined;
}

/** A folder in which a command line did well. Several cases may begin with the same one: each gets a copy. */
export interface Begin {
  readonly files: (root: string) => Promise<void> | void;
  readonly args: readonly string[];
}

/** However hostile the input: an answer for so much of a processor's time … */
export const SECONDS = 10;
/** … on a machine that may be busy with other things … */
export const WAITED_SECONDS = 60;
/** … and this much memory. */
export const MEGABYTES = 400;
