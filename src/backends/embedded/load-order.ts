// The load-order verifier: a checkpoint is taken only into the scope and graph it was made for, in a state that the place
// allows (float weights before prepare, calibrated or QAT weights after it), with every tensor and every scale it must have.
// What a wrong order of loading would do silently is refused with its reason before any work is done.
import type { Network } from '../../qat/network/network.ts';
import { graphDigest, LoadError } from '../../qat/quantize/checkpoint.ts';
import type { ScopeCheckpoint } from '../../qat/quantize/checkpoint.ts';
import { placeQuantizers } from '../../qat/quantize/placement.ts';
import { rangeProblem } from '../../qat/quantize/scale-problems.ts';

/** @throws LoadError with the reason. */
export function checkFits(
  checkpoint: ScopeCheckpoint,
  network: Network,
  port: string,
  scope: string,
  states: readonly ScopeCheckpoint['state'][],
): void {
  if (checkpoint.scope !== scope)
    throw new LoadError(`input "${port}" holds scope "${checkpoint.scope}", but "${scope}" is loaded here`);
  if (checkpoint.graph !== graphDigest(network, scope)) {
    throw new LoadError(
      `input "${port}" was made for another model graph (${checkpoint.graph.slice(0, 12)}, here ${graphDigest(network, scope).slice(0, 12)})${foldingReason(checkpoint, network)}`,
    );
  }
  if (!states.includes(checkpoint.state)) {
    const why =
      checkpoint.state === 'float'
        ? 'float weights are loaded before prepare, calibrated or QAT weights after it: calibrate this scope first'
        : 'quantised weights cannot be loaded where float weights are expected (before prepare)';
    throw new LoadError(`input "${port}" is in state ${checkpoint.state}, needed is ${states.join(' or ')}: ${why}`);
  }
  if (checkpoint.state === 'float' && checkpoint.transformations !== undefined) {
    throw new LoadError(
      `input "${port}" is in state float, but its weights were changed by ${checkpoint.transformations.join(' and ')}: only calibration does that, and it leaves the float checkpoint as it is`,
    );
  }
  for (const parameter of network.parameters) {
    if (parameter.scope !== scope) continue;
    const tensor = checkpoint.parameters.get(parameter.name);
    if (tensor === undefined) throw new LoadError(`input "${port}" lacks tensor "${parameter.name}"`);
    if (tensor.shape.join() !== parameter.shape.join()) {
      throw new LoadError(
        `tensor "${parameter.name}" of input "${port}" has shape [${tensor.shape.join(', ')}], the model needs [${parameter.shape.join(', ')}]`,
      );
    }
  }
  const known = new Set(network.parameters.filter((p) => p.scope === scope).map((p) => p.name));
  for (const name of checkpoint.parameters.keys()) {
    if (!known.has(name))
      throw new LoadError(`input "${port}" holds tensor "${name}", which scope "${scope}" does not have`);
  }
  if (checkpoint.state !== 'float') checkQuantisers(checkpoint, network, port);
}

/** Where nothing but batch norm tells the two graphs apart: one of them was folded. */
function foldingReason({ scope, parameters }: ScopeCheckpoint, network: Network): string {
  const own = network.parameters.filter((parameter) => parameter.scope === scope);
  const known = new Set(own.map(({ name }) => name));
  const norms = own.filter(({ role }) => batchNormRoles.has(role)).map(({ name }) => name);
  const missing = own.filter(({ name }) => !parameters.has(name)).map(({ name }) => name);
  const unknown = [...parameters].filter(([name]) => !known.has(name));
  if (missing.length > 0 && missing.every((name) => norms.includes(name)))
    return `: it holds folded weights (no "${missing[0] ?? ''}"), this model's batch norm is not folded; give the weights from before folding`;
  if (norms.length === 0 && unknown.length > 0 && unknown.every(([, { shape }]) => shape.length === 1))
    return `: it holds batch norm ("${unknown[0]?.[0] ?? ''}"), which this model has folded into its layers; import the unfolded model, or fold the weights with it`;
  return '';
}

const batchNormRoles: ReadonlySet<string> = new Set(['gamma', 'beta', 'mean', 'variance'] as const);

/** Exactly one range per activation quantiser and one scale per output channel, where the profile puts them. */
function checkQuantisers({ scope, state, quant }: ScopeCheckpoint, network: Network, port: string): void {
  // With c = 0 or not, an observer without a state would take its first batch whole.
  const empty = new LoadError(`input "${port}" is in state ${state}, but holds no observed ranges: calibrate it first`);
  if (quant === undefined) throw empty;
  const placement = placeQuantizers(network, new Map([[scope, quant.profile]]));
  if (quant.activations.size === 0 && placement.ranges.size > 0) throw empty;
  for (const [value, { format }] of placement.ranges) {
    const range = quant.activations.get(value);
    if (range === undefined) throw new LoadError(`input "${port}" lacks the range of activation "${value}"`);
    const problem = rangeProblem(range, format);
    if (problem !== undefined) throw new LoadError(`activation "${value}" of input "${port}" ${problem}`);
  }
  for (const [weight, { channels }] of placement.weights) {
    const scales = quant.weights.get(weight);
    if (scales === undefined) throw new LoadError(`input "${port}" lacks the scales of weight "${weight}"`);
    if (scales.length !== channels) {
      throw new LoadError(
        `input "${port}" has ${scales.length} scales for weight "${weight}" with ${channels} channels`,
      );
    }
    const channel = scales.findIndex((scale) => !Number.isFinite(scale) || scale <= 0);
    if (channel >= 0) {
      throw new LoadError(
        `input "${port}" has scale ${scales[channel] ?? NaN} for channel ${channel} of weight "${weight}"`,
      );
    }
  }
  const strays: readonly (readonly [string, string | undefined])[] = [
    ['a range of activation', [...quant.activations.keys()].find((value) => !placement.ranges.has(value))],
    ['scales of weight', [...quant.weights.keys()].find((weight) => !placement.weights.has(weight))],
  ];
  for (const [what, name] of strays) {
    if (name !== undefined)
      throw new LoadError(`input "${port}" holds ${what} "${name}", where scope "${scope}" has no quantiser`);
  }
}
