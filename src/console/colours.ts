// Colour for terminals, and none elsewhere. The only importer of picocolors.
import pc from 'picocolors';

export interface Colours {
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
}

/** NO_COLOR, FORCE_COLOR and CI are respected. */
export function coloursFor(stream: { readonly isTTY?: boolean }, env: NodeJS.ProcessEnv): Colours {
  const forced = env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '0';
  const wanted =
    stream.isTTY === true && env['NO_COLOR'] === undefined && env['CI'] === undefined && env['TERM'] !== 'dumb';
  return pc.createColors(forced || wanted);
}

export const noColours: Colours = pc.createColors(false);
