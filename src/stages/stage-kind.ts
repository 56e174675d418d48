// What a node kind is: its settings (a JSON Schema), its ports, what enters its key, and what runs it.
// One file per kind under `kinds/`; nothing else in the engine knows a kind by name.
import type { ArtifactType } from '../events/job-protocol.ts';
import type { ReasonWords } from '../events/job-reasons.ts';
import type { Json, JsonObject } from '../support/json.ts';
import type { DataOutline } from './data-outline.ts';

export type CheckpointState = 'float' | 'calibrated' | 'qat';

/** What travels along an edge, as far as it is known before anything runs. */
export interface PortType {
  readonly artifact: ArtifactType;
  /** For checkpoints: the scope they hold ('backbone', or 'head' for any head) and the states they may be in. */
  readonly scope?: 'backbone' | 'head';
  readonly states?: readonly CheckpointState[];
}

export interface InputPort {
  readonly name: string;
  readonly type: PortType | 'any';
  /** 'collect' takes one artifact per key, `optional` may be left out. */
  readonly arity: 'one' | 'optional' | 'collect';
  /** The keys a collect port takes; a collect over a whole fan-out leaves the others out. Without it: any keys. */
  readonly keys?: readonly string[];
  /** Takes several artifacts under names (`collect`) as well as one. */
  readonly named?: true;
  /** Each member of its collection may be a collection itself; its artifacts then have the keys `outer/inner`. */
  readonly nested?: true;
  /** Accepted and checked, but with these settings nothing reads it: no edge comes of it. */
  readonly unused?: boolean;
  readonly help: string;
}

export interface OutputPort {
  /** `backbone`, or a keyed member `head[detection]`. */
  readonly name: string;
  readonly type: PortType;
  readonly help: string;
  /** For checkpoints. */
  readonly holds?: Holding;
  /** The heads that the stage gives a model beside those of its own input `model`; undefined where they are not known. */
  readonly heads?: readonly HeadOutline[];
  /** What is known of a data set. */
  readonly data?: KnownData;
}

export interface HeadOutline {
  readonly name: string;
  /** The number of classes, if the settings say it. */
  readonly classes?: number;
}

/** Targets of a data set: known from the settings, or described in a file at hand. */
export type KnownData =
  | { readonly targets: DataOutline }
  | { readonly folder: string; readonly description: string; readonly split: string; readonly derive: Json };

/** What is known of a checkpoint before anything runs, and must fit where it is loaded. */
export interface Holding {
  /** Name of the head; left out: the backbone. */
  readonly head?: string;
  /** For a quantised head: where the same stage has the quantised backbone that it was made on. */
  readonly on?: 'input' | 'output';
  /** Its scales were found, or trained, in the stage's profile. */
  readonly profiled?: true;
  /** Batch norm is folded away: by this stage, or by the one that made what it goes on from. */
  readonly folded?: boolean;
  /** The input with the scope that it goes on from as that was left. */
  readonly from?: Member;
}

/** An input port, or one member of its collection. */
export interface Member {
  readonly port: string;
  readonly key?: string;
}

/** A task (a head with its data, loss and metric) after parameters were filled in. */
export interface ResolvedTask {
  readonly name: string;
  readonly settings: JsonObject;
}

/** What a kind may look at when it names its ports and settings. */
export interface StageContext {
  /** `with`, validated against the kind's schema, parameters filled in. */
  readonly settings: JsonObject;
  /** The stage's task, where it has one (`task`, or the key of `forEach: "tasks"`). */
  readonly task?: ResolvedTask;
  readonly tasks: readonly ResolvedTask[];
  /** The profile named by `with.profile` (else by the parameter `profile`), resolved. */
  readonly profile?: JsonObject;
  /** Names of the input ports that the stage was given. */
  readonly given: readonly string[];
}

export interface Ports {
  readonly inputs: readonly InputPort[];
  readonly outputs: readonly OutputPort[];
  /**
   * Inputs beyond those listed: `accept` any names and types, `forward` each as an output of the same name and type, or
   * `forward-best` one member of each collection.
   */
  readonly open?: 'accept' | 'forward' | 'forward-best';
  /** Data splits of tasks that this stage reads; each becomes a real edge `data[<split>]` (or `data[<task>.<split>]` for several tasks). */
  readonly data?: readonly {
    readonly port: string;
    readonly task: string;
    readonly split: 'train' | 'gate' | 'report' | 'calibration';
  }[];
}

export type RunsOn =
  | 'embedded' // dist/worker.js in its own process
  | 'command' // a program the workflow names
  | 'program' // a program that a package brought along, speaking the job protocol
  | 'engine'; // decided in the engine's process: gate, select, stop

/** What runs a kind that a package brought along. */
export interface KindProgram {
  /** Without the job's folder; files of the package are absolute paths. */
  readonly argv: readonly [string, ...string[]];
  /** As the package wrote it: part of the key. */
  readonly declared: readonly string[];
  /** Files whose contents are part of the key. */
  readonly code: readonly { readonly name: string; readonly path: string }[];
}

/** A problem with a stage's settings, placed at `path` inside `with`. */
export interface Finding {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly help?: string;
}

/** A stage whose output arrives at an input, through joins, loops and whatever else only hands it on. */
export interface Producer {
  /** As references name it: `head[detection]/calibrate.head`. */
  readonly name: string;
  readonly kind: StageKind;
  readonly context: StageContext;
  readonly output: OutputPort;
  readonly inputs: Producers;
  /** Another output of the same stage. */
  sibling(name: string): Producer | undefined;
  /** False only where jobs of other settings, or with other inputs, make the two. */
  mayEqual(other: Producer): boolean;
}

/** What may arrive at the inputs of a stage; several where joins decide only during the run. */
export interface Producers {
  /** @param beside leaves out what cannot be there when that producer has run. */
  of(member: Member, beside?: Producer): readonly Producer[];
}

/** A problem with what arrives at an input: told at its reference, or where the setting is written that does not take it. */
export interface ArrivalFinding extends Finding {
  readonly arriving: Producer;
}

/** What a stage measures, as far as it is known before anything runs. */
export interface Measurement {
  readonly task: ResolvedTask;
  readonly split: string;
  /** Replicates drawn; 0 for none. */
  readonly count: number;
  readonly seed: number;
  readonly block: number;
}

export interface StageKind {
  readonly kind: string;
  readonly summary: string;
  /** JSON Schema (draft 2020-12) of `with`; its descriptions are the reference docs. */
  readonly settingsSchema: JsonObject;
  readonly runsOn: RunsOn;
  /** Gates have `cases`; a stop ends the run. */
  readonly role?: 'gate' | 'stop';
  /** Whether the job draws random numbers: otherwise its seed is 0, and changing the workflow's seed leaves it cached. */
  readonly seeded?: boolean;
  /** Tokens that its stages hold unless they say otherwise, beside `cpu`. */
  readonly resources?: { readonly [token: string]: number };
  /** Where `runsOn` is 'program'. */
  readonly program?: KindProgram;
  /** What its program may say of a failure beside headgate's own words; each begins with `x-`. */
  readonly reasons?: { readonly [word: string]: ReasonWords };
  /** Problems that the schema cannot say. */
  check?(context: StageContext): readonly Finding[];
  /** What gates may count on, from a kind that measures a task. Undefined where only its job knows. */
  measures?(context: StageContext): Measurement | undefined;
  /** Wrong orders: what shows, before anything runs, in the stages that make its inputs. */
  checkInputs?(context: StageContext, producers: Producers): readonly ArrivalFinding[];
  ports(context: StageContext): Ports;
  /** Exactly the settings that the job reads, defaults filled in: they enter the key and job.json. */
  jobSettings(context: StageContext): JsonObject;
  /** Files or folders outside the store that the job reads, relative to the workflow's root; hashed into the key and checked before anything runs. */
  files?(
    context: StageContext,
  ): readonly { readonly name: string; readonly path: string; readonly at: readonly (string | number)[] }[];
}
