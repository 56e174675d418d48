// What QAT starts from and how its scales behave, for one scope and for several at once.
import { canonicalJson } from '../../support/canonical-json.ts';
import { LoadError } from '../../qat/quantize/checkpoint.ts';
import type { QuantState, ScopeCheckpoint, Transformation } from '../../qat/quantize/checkpoint.ts';
import { scopeWeightScales } from '../../qat/quantize/deploy.ts';
import type { Placement } from '../../qat/quantize/placement.ts';
import { foldIntoWeights } from '../../qat/network/fold.ts';
import type { Parameters } from '../../qat/network/fold.ts';
import type { Network } from '../../qat/network/network.ts';
import type { QatSettings } from './settings.ts';
import type { Quantisers, TrainedValues } from './training-request.ts';

export function qatQuantisers(settings: QatSettings, placement: Placement, starts: readonly QuantState[]): Quantisers {
  const { activationScales, averagingConstant, freezeObserversAfter, weightScales, scaleRate, straightThrough } =
    settings;
  return {
    placement,
    ranges: new Map(starts.flatMap(({ activations }) => [...activations])),
    activationScales,
    averagingConstant: activationScales === 'follow' ? averagingConstant : 0,
    startingWeightScales: new Map(starts.flatMap(({ weights }) => [...weights])),
    ...(freezeObserversAfter === undefined ? {} : { freezeObserversAfter }),
    ...(weightScales === undefined ? {} : { weightScales }),
    ...(scaleRate === undefined ? {} : { scaleRate }),
    ...(straightThrough === undefined ? {} : { straightThrough }),
  };
}

/** Parameters as QAT starts from them: with batch norm folded away where that is asked for. */
export function startingParameters(network: Network, { bn }: QatSettings, { parameters }: ScopeCheckpoint): Parameters {
  return bn === 'folded' ? foldIntoWeights(network, parameters) : parameters;
}

/** The scope after its training: what was not trained as it started, scales learned or of the weights that are saved. */
export function trainedScope(
  network: Network,
  placement: Placement,
  settings: QatSettings,
  start: ScopeCheckpoint,
  result: TrainedValues,
): Required<Pick<ScopeCheckpoint, 'state' | 'parameters' | 'quant' | 'transformations'>> {
  const before = startingParameters(network, settings, start);
  const parameters = new Map([...before].map(([name, tensor]) => [name, result.parameters.get(name) ?? tensor]));
  const activations = new Map(
    [...(start.quant?.activations ?? [])].map(([value, range]) => [value, result.ranges.get(value) ?? range]),
  );
  const derived = scopeWeightScales(network, placement, start.scope, parameters);
  const weights = new Map([...derived].map(([weight, scales]) => [weight, result.weightScales.get(weight) ?? scales]));
  const { transformations = [] } = start;
  const folds = settings.bn === 'folded' && !transformations.includes(FOLDING) && hasBatchNorm(network, start.scope);
  return {
    state: 'qat',
    parameters,
    quant: { profile: settings.profile, activations, weights },
    transformations: folds ? [...transformations, FOLDING] : transformations,
  };
}

const FOLDING: Transformation = 'batch-norm-folding';

function hasBatchNorm({ units }: Network, scope: string): boolean {
  return units.some((unit) => unit.kind === 'layer' && unit.scope === scope && unit.norm !== undefined);
}

/**
 * Of a checkpoint that was read as calibrated: every range and scale is there.
 * @throws LoadError for another profile, and where batch norm is to be trained that earlier QAT folded away.
 */
export function quantOf(start: ScopeCheckpoint, { profile, bn }: Pick<QatSettings, 'profile' | 'bn'>): QuantState {
  if (start.transformations?.includes(FOLDING) === true && (bn === 'train' || bn === 'kept')) {
    throw new LoadError(
      `scope "${start.scope}" was trained with its batch norms folded away; "bn": "${bn}" would normalise each layer with the statistics of its batches again, and take its scale and bias from it: go on with "folded" or "frozen"`,
      'Set `bn` to "folded" or "frozen", or fold in the last QAT only.',
    );
  }
  if (start.quant === undefined) throw new LoadError(`scope "${start.scope}" holds no scales: calibrate it before QAT`);
  if (canonicalJson(start.quant.profile) !== canonicalJson(profile)) {
    throw new LoadError(
      `scope "${start.scope}" was calibrated with profile ${canonicalJson(start.quant.profile)}, QAT asks for ${canonicalJson(profile)}`,
      'Calibrate with the profile that QAT is to have, or give QAT the one of the calibration.',
    );
  }
  return start.quant;
}
