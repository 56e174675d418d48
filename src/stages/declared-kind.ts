// A stage kind as data (schemas/kind.schema.json) with the program that does its work → StageKind. Nothing foreign runs here.
import type { ArtifactType } from '../events/job-protocol.ts';
import type { ReasonWords } from '../events/job-reasons.ts';
import type { JsonObject } from '../support/json.ts';
import { needsTask, taskSettings } from './port-types.ts';
import type {
  CheckpointState,
  InputPort,
  KindProgram,
  OutputPort,
  PortType,
  StageContext,
  StageKind,
} from './stage-kind.ts';

/** What a package's kind file says. */
export interface KindDeclaration {
  /** `vendor/name`, or a plain name that headgate itself does not use. */
  readonly kind: string;
  readonly summary: string;
  /** JSON Schema (draft 2020-12) of a stage's `with`; without one a stage has no settings. */
  readonly settings?: JsonObject;
  readonly inputs?: { readonly [port: string]: DeclaredInput };
  readonly outputs: { readonly [port: string]: DeclaredOutput };
  readonly seeded?: boolean;
  readonly task?: 'required' | 'optional';
  readonly resources?: { readonly [token: string]: number };
  /** Names of settings that hold paths of files the program reads. */
  readonly files?: readonly string[];
  readonly job: {
    /** Program and arguments; words that begin with `./` are files of the package. */
    readonly argv: readonly string[];
    /** Files and folders whose contents enter the key; by default the whole package. */
    readonly code?: readonly string[];
  };
  /** Words of the program's own for its failures. */
  readonly reasons?: { readonly [word: string]: ReasonWords };
}

export interface DeclaredOutput {
  readonly type: Exclude<ArtifactType, 'verdict'>;
  readonly scope?: 'backbone' | 'head';
  readonly states?: readonly CheckpointState[];
  readonly help?: string;
}

export interface DeclaredInput extends Omit<DeclaredOutput, 'type'> {
  readonly type: DeclaredOutput['type'] | 'any';
  readonly arity?: InputPort['arity'];
}

const NO_SETTINGS: JsonObject = { type: 'object', additionalProperties: false };

export function declaredKind(declaration: KindDeclaration, program: KindProgram): StageKind {
  const { kind, summary, settings, seeded = false, task, resources = {}, files = [], reasons } = declaration;
  const inputs = Object.entries(declaration.inputs ?? {}).map(inputPort);
  const outputs = Object.entries(declaration.outputs).map(outputPort);
  return {
    kind,
    summary,
    settingsSchema: settings === undefined ? NO_SETTINGS : withoutId(settings),
    runsOn: 'program',
    seeded,
    resources,
    program,
    ...(reasons === undefined ? {} : { reasons }),
    check: (context) => (task === 'required' ? needsTask(context, kind) : []),
    ports: () => ({ inputs, outputs }),
    jobSettings: ({ settings: given, task: own }) => ({
      ...Object.fromEntries(Object.entries(given).filter(([name]) => !files.includes(name))),
      ...(task === undefined || own === undefined ? {} : { task: taskSettings(own) }),
    }),
    files: (context) => files.flatMap((name) => fileSetting(context, name)),
  };
}

function fileSetting({ settings }: StageContext, name: string): ReturnType<NonNullable<StageKind['files']>> {
  const path = settings[name];
  return typeof path === 'string' ? [{ name, path, at: [name] }] : [];
}

function inputPort([name, declared]: [string, DeclaredInput]): InputPort {
  const { type, arity = 'one', help = '' } = declared;
  return { name, type: type === 'any' ? 'any' : portType(type, declared), arity, help };
}

function outputPort([name, declared]: [string, DeclaredOutput]): OutputPort {
  return { name, type: portType(declared.type, declared), help: declared.help ?? '' };
}

function portType(artifact: ArtifactType, { scope, states }: Pick<DeclaredOutput, 'scope' | 'states'>): PortType {
  return { artifact, ...(scope === undefined ? {} : { scope }), ...(states === undefined ? {} : { states }) };
}

/** Two readings of one file are two schemas; under one name the second would be refused. */
function withoutId({ $id: _, ...schema }: JsonObject): JsonObject {
  return schema;
}
