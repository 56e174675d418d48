// What a person does between two runs, drawn at random: edits of the workflow, of files, of the store, options of one run.
import { chmodSync, existsSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileName, FILES, KNOBS, type Drawing, type Part } from './drawing.ts';

export const EDITS = [
  'a setting',
  'a parameter by --set',
  'a threshold',
  'a stage renamed',
  'a template’s own setting',
  'a template and its stages renamed',
  'the bound of a loop',
  'what a loop does when it is used up',
  'items of a fan-out',
  'inputs read otherwise',
  'stages moved to another file',
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

/** Edits that only some parts can have. */
const MEANT: { readonly [what in (typeof EDITS)[number]]?: readonly Part['kind'][] } = {
  'a threshold': ['branch', 'halt', 'use', 'sweep', 'nest', 'loop', 'guard'],
  'the bound of a loop': ['loop', 'nest', 'guard'],
  'what a loop does when it is used up': ['loop', 'nest', 'guard'],
  'items of a fan-out': ['fan', 'zip', 'sweep'],
};

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
  const meant = drawing.parts.filter(({ kind }) => MEANT[what]?.includes(kind) ?? true);
  const part = meant[at % meant.length];
  const withPart = (change: Partial<Part>): Project => ({
    ...project,
    drawing: { ...drawing, parts: drawing.parts.map((one) => (one === part ? { ...one, ...change } : one)) },
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
    case 'a template’s own setting':
      return { ...project, drawing: { ...drawing, shared: to % 3 } };
    case 'a template and its stages renamed':
      return { ...project, drawing: { ...drawing, inner: `t${to}` } };
    case 'the bound of a loop':
      return withPart({ bound: 1 + (to % 4) });
    case 'what a loop does when it is used up':
      return withPart({ exhausted: (['last', 'best', 'stop', 'fail'] as const)[to % 4] ?? 'last' });
    case 'items of a fan-out':
      return withPart({ items: 1 + (to % 4) });
    case 'inputs read otherwise':
      return withPart({ joined: (['apart', 'all', 'collect'] as const)[to % 3] ?? 'apart' });
    case 'stages moved to another file':
      if (at % 4 === 0) return { ...project, drawing: { ...drawing, templatesHome: to % FILES.length } };
      return withPart({ home: to % FILES.length });
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
  const kind = (['job', 'waiter', 'branch', 'use', 'loop'] as const)[to % 5] ?? 'job';
  const part = plainPart({ label: `a${added}`, kind, reads: [read] });
  return { ...project, added: added + 1, drawing: { ...drawing, parts: [...drawing.parts, part] } };
}

/** A part with nothing special about it. */
export function plainPart(given: Pick<Part, 'label' | 'kind' | 'reads'>): Part {
  return {
    suffix: '',
    knobs: Array.from({ length: KNOBS }, () => 0),
    notes: [0, 0],
    threshold: 1,
    joined: 'apart',
    retry: 0,
    items: 2,
    bound: 2,
    exhausted: 'last',
    numbered: false,
    templated: false,
    home: 0,
    ...given,
  };
}
