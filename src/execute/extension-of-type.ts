// The extensions that outputs get whose maker gave them no name: what a program can tell the type by.
const EXTENSIONS: { readonly [type: string]: string } = {
  merged: '.onnx',
  model: '.onnx',
  checkpoint: '.safetensors',
  metrics: '.json',
  verdict: '.json',
  report: '.json',
  profile: '.json',
};

/** The extension with its dot; empty for types that may hold anything. */
export function extensionOfType(type: string): string {
  return EXTENSIONS[type] ?? '';
}
