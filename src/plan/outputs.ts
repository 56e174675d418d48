// Names of an instance's outputs, before their types are known.
import type { StageInstance } from './instance.ts';

/** `head[detection]` is the member `detection` of `head`. */
export function memberKey(output: string, port: string): string | undefined {
  return output.startsWith(`${port}[`) && output.endsWith(']') ? output.slice(port.length + 1, -1) : undefined;
}

export function outputNames(instance: StageInstance): readonly string[] {
  if (instance.ports.open === 'forward' || instance.ports.open === 'forward-best') {
    const own = instance.ports.inputs.map((port) => port.name);
    return instance.inputs.map((input) => input.port).filter((port) => !own.includes(port));
  }
  return instance.ports.outputs.map((output) => output.name);
}
