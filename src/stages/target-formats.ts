// The number formats of each target, for the planner, which knows no kernel: a profile that its target cannot have is refused
// before anything is trained. The placement tables of the kernel say the same, held together by a test.
import { isJsonObject, jsonText } from '../support/json.ts';
import type { Json, JsonObject } from '../support/json.ts';

export interface TargetFormats {
  readonly weights: readonly number[];
  readonly activations: readonly number[];
  readonly unsigned: boolean;
}

const every = [4, 8, 16];

export const targetFormats: { readonly [target: string]: TargetFormats } = {
  onnxruntime: { weights: every, activations: every, unsigned: true },
  journey6: { weights: every, activations: every, unsigned: true },
  tensorrt: { weights: [8], activations: [8], unsigned: false },
};

export interface FormatProblem {
  /** The place in the profile. */
  readonly path: readonly string[];
  readonly message: string;
  readonly help: string;
}

/** What of a profile its target has no arithmetic for. */
export function formatProblems(profile: JsonObject): readonly FormatProblem[] {
  const target = targetOf(profile);
  const formats = targetFormats[target];
  if (formats === undefined) return [];
  const found: FormatProblem[] = [];
  const look = (path: readonly string[], known: readonly number[], what: string): void => {
    const bits = at(profile, path);
    if (typeof bits !== 'number' || known.includes(bits)) return;
    found.push({
      path,
      message: `target ${target} has no ${bits}-bit ${what}`,
      help: `it takes ${known.join(', ')} bits`,
    });
  };
  look(['weights', 'bits'], formats.weights, 'weights');
  look(['activations', 'bits'], formats.activations, 'activations');
  look(['firstLast', 'bits'], formats.weights, 'first and last layers');
  const layers = isJsonObject(profile['layers']) ? Object.keys(profile['layers']) : [];
  for (const layer of layers) {
    for (const part of ['weights', 'activations'] as const) {
      look(['layers', layer, part, 'bits'], formats[part], `${part} (layer "${layer}")`);
    }
  }
  const unsigned = ['activations', 'unsignedAfterRelu'];
  if (at(profile, unsigned) === true && !formats.unsigned) {
    found.push({
      path: unsigned,
      message: `target ${target} has no unsigned activations`,
      help: 'leave "unsignedAfterRelu" out',
    });
  }
  return found;
}

export function targetOf({ target }: JsonObject): string {
  return target === undefined ? 'onnxruntime' : jsonText(target);
}

function at(profile: JsonObject, path: readonly string[]): Json | undefined {
  let value: Json | undefined = profile;
  for (const step of path) value = value !== undefined && isJsonObject(value) ? value[step] : undefined;
  return value;
}
