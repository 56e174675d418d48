// Random workflows in two forms made from one drawing: the JSON files that a user would write, and the bare stages that the
// oracle evaluates. The planner and everything behind it are under test, so nothing of them is used here.
import type { BareStage } from './bare-stage.ts';
import { FILES, knobWord, paramName, type Drawing } from './drawing.ts';
import { templates, type Fragment, type Result } from './write-groups.ts';
import { writePart } from './write-part.ts';

interface Written extends Fragment {
  readonly home: number;
}

function writtenParts(drawing: Drawing): readonly Written[] {
  const results = new Map<string, Result>();
  return drawing.parts.map((part) => {
    const reads = part.reads.flatMap((label) => {
      const result = results.get(label);
      return result === undefined ? [] : [result];
    });
    const written = writePart(part, drawing, reads);
    results.set(part.label, written.result);
    return { ...written, home: results.size === 1 ? 0 : part.home }; // a workflow has stages of its own
  });
}

/**
 * Path → text of every file that the workflow consists of. The first is the workflow itself.
 * @param order shuffles the order of keys everywhere; 0 leaves it.
 */
export function workflowTexts(drawing: Drawing, order: number, indent: number): ReadonlyMap<string, string> {
  const parts = writtenParts(drawing);
  const params = Object.fromEntries(drawing.params.map((_, index) => [paramName(index), knobWord(0)]));
  const files = FILES.map((path, home) => {
    const stages = Object.assign({}, ...parts.filter((part) => part.home === home).map(({ json }) => json)) as object;
    const own = drawing.templatesHome === home ? { templates: templates(drawing) } : {};
    return { path, home, content: { ...own, ...(Object.keys(stages).length === 0 ? {} : { stages }) } };
  });
  // The first includes the second, that one the third; relative to the file that includes.
  const includes = [['parts/one.json'], ['two.json'], []];
  const heads = [{ name: 'random', params }, {}, {}];
  return new Map(
    files.map(({ path, home, content }) => {
      const file = { ...heads[home], include: includes[home], ...content };
      return [path, JSON.stringify(order === 0 ? file : shuffled(file, order), null, indent)];
    }),
  );
}

export function bareStages(drawing: Drawing): readonly BareStage[] {
  return writtenParts(drawing).flatMap(({ bare }) => bare);
}

/** The order of a matrix's lists is part of the names of its instances. */
function shuffled(value: unknown, order: number): unknown {
  if (Array.isArray(value)) return value.map((item) => shuffled(item, order));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(
    ([name, inner]) => [name, name === 'matrix' ? inner : shuffled(inner, order)] as const,
  );
  const turn = order % entries.length;
  return Object.fromEntries([...entries.slice(turn), ...entries.slice(0, turn)].reverse());
}
