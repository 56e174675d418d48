// What a person does between two runs, drawn at random: edits of the workflow, of files, of the store, options of one run.
import { chmodSync, existsSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileName, type Drawing, type Part } from './random-workflow.ts';

export const EDITS = [
  'a setting',
  'a parameter by --set',
  'a threshold',
  'a stage renamed',
  'keys in another order',
  'white space',
  'a stage added',
  'a stage removed',
  'a file’s content',
  'a file touched',
  'a setting that changes no bytes',
  'a setting outside the key',
  'an object damaged',
  'an object deleted',
  'a stage forced',
  'only until a stage',
] as const;

export interface Edit {
  readonly what: (typeof EDITS)[number];
  /** Which one, modulo how many there are. */
  readonly at: number;
  readonly to: number;
}

export interface Project {
  readonly drawing: Drawing;
  readonly order: number;
  readonly indent: number;
  readonly files: readonly string[];
  /** Digests whose objects were damaged or deleted and not made again since. */
  readonly lost: ReadonlySet<string>;
  /** How many parts were ever added. */
  readonly added: number;
}

/** The project after the edit; files and objects are changed on the disk as well. */
export function edited(project: Project, { what, at, to }: Edit, root: string, objects: readonly string[]): Project {
  const { drawing } = project;
  const here = at % drawing.parts.length;
  const part = drawing.parts[here];
  const withPart = (change: Partial<Part>): Project => ({
    ...project,
    drawing: { ...drawing, parts: drawing.parts.map((one, index) => (index === here ? { ...one, ...change } : one)) },
  });
  const put = (numbers: readonly number[]): readonly number[] =>
    numbers.map((number, index) => (index === to % numbers.length ? (at + to) % 3 : number));
  const file = at % project.files.length;
  switch (what) {
    case 'a setting':
      return part === undefined ? project : withPart({ knobs: put(part.knobs) });
    case 'a parameter by --set':
      return { ...project, drawing: { ...drawing, params: put(drawing.params) } };
    case 'a threshold':
      return withPart({ threshold: to % 4 });
    case 'a stage renamed':
      return withPart({ suffix: `r${to}` });
    case 'keys in another order':
      return { ...project, order: to };
    case 'white space':
      return { ...project, indent: to % 5 };
    case 'a stage added':
      return drawing.parts.length > 8 ? project : withLeaf(project, at, to);
    case 'a stage removed': {
      const needed = new Set(drawing.parts.flatMap(({ reads }) => reads));
      const gone = [...drawing.parts].reverse().find(({ label }) => !needed.has(label));
      if (drawing.parts.length < 3 || gone === undefined) return project;
      return { ...project, drawing: { ...drawing, parts: drawing.parts.filter((one) => one !== gone) } };
    }
    case 'a file’s content': {
      const text = `content ${to % 3}`;
      writeFileSync(join(root, fileName(file)), text);
      return { ...project, files: project.files.map((old, index) => (index === file ? text : old)) };
    }
    case 'a file touched':
      utimesSync(join(root, fileName(file)), 1_400_000_000 + to, 1_400_000_000 + to);
      return project;
    case 'a setting that changes no bytes':
      return part === undefined ? project : withPart({ notes: part.notes.map((note, i) => (i === 0 ? to : note)) });
    case 'a setting outside the key':
      return withPart({ retry: to % 3 });
    case 'an object damaged':
    case 'an object deleted': {
      const digest = objects[at % objects.length];
      const path = digest === undefined ? '' : join(root, '.headgate/objects', digest.slice(0, 2), digest);
      if (digest === undefined || !existsSync(path)) return project;
      if (what === 'an object deleted') rmSync(path);
      else {
        chmodSync(path, 0o644);
        writeFileSync(path, 'other bytes');
      }
      return { ...project, lost: new Set([...project.lost, digest]) };
    }
    case 'a stage forced':
    case 'only until a stage':
      return project; // options of the run that follows
  }
}

function withLeaf(project: Project, at: number, to: number): Project {
  const { drawing, added } = project;
  const read = drawing.parts[at % drawing.parts.length]?.label ?? '';
  const kind = (['job', 'waiter', 'branch'] as const)[to % 3] ?? 'job';
  const part: Part = {
    label: `a${added}`,
    kind,
    suffix: '',
    knobs: [0, 0],
    notes: [0, 0],
    threshold: 1,
    reads: [read],
    retry: 0,
  };
  return { ...project, added: added + 1, drawing: { ...drawing, parts: [...drawing.parts, part] } };
}
