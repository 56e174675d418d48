// Many gates of one kind, each on images of its own, decided by the program's gate; what is counted is what they decided and
// how often their intervals hold the truth.
import type { CriterionEvidence } from '../../src/execute/gate-evidence.ts';
import { decideGate } from '../../src/execute/gate.ts';
import type { MetricsDocument } from '../../src/execute/metrics-document.ts';
import type { Criterion } from '../../src/plan/plan.ts';
import { bootstrapReplicates } from '../../src/qat/metrics/bootstrap.ts';
import type { MetricResult } from '../../src/qat/metrics/metric.ts';
import { Random } from '../../src/support/random.ts';
import type { Drawing } from './drawing.ts';
import type { Pool } from './stored-outputs.ts';

export interface Campaign {
  readonly pool: Pool;
  readonly drawing: Drawing;
  /** The metric of either side over everything that images are drawn from. */
  readonly truth: { readonly candidate: number; readonly reference: number };
  readonly images: number;
  readonly gates: number;
  readonly replicates: number;
  readonly block?: number;
  readonly seed: number;
}

/** Shares of the gates, from 0 to 1, except for the widths, which are in the metric's unit. */
export interface Counted {
  readonly images: number;
  readonly gates: number;
  readonly replicates: number;
  readonly block: number;
  /** "The candidate is better": with confidence 0.95, and by the point value. */
  readonly better: Pair;
  /** "The candidate keeps 99 % of the reference", likewise. */
  readonly keeps99: Pair;
  /** "The reference is better than the candidate", likewise: a loss that is seen. */
  readonly worse: Pair;
  /** 95 % intervals that hold the truth, and on which side the others miss it. */
  readonly value: Coverage;
  readonly difference: Coverage;
}

interface Pair {
  readonly confident: number;
  readonly bare: number;
}

interface Coverage {
  readonly held: number;
  /** The whole interval lies above the truth, or below it. */
  readonly above: number;
  readonly below: number;
  /** 95 % intervals mirrored at the point value ("basic" bootstrap) that hold it: what a bias of the metric costs. */
  readonly mirrored: number;
  /** The mean of high − low. */
  readonly width: number;
}

const LEVEL = 0.95;
const BETTER: Criterion = { metric: 'primary', minImprovement: 0, strict: true };
const KEEPS: Criterion = { metric: 'primary', percentOfReference: 99 };

export function countGates(campaign: Campaign): Counted {
  const { pool, drawing, truth, images, gates, replicates, block = 1, seed } = campaign;
  const pass = { better: [0, 0], keeps99: [0, 0], worse: [0, 0] };
  const value = new Intervals();
  const difference = new Intervals();
  const settings = { count: replicates, seed: 0, block };
  for (let gate = 0; gate < gates; gate++) {
    const drawn = drawing(images, Random.derive(seed, images, gate));
    const [candidate, reference] = [drawn.candidate, drawn.reference].map((picks) =>
      documentOf(pool.over(picks), settings),
    ) as [MetricsDocument, MetricsDocument];
    for (const [place, more] of [{ confidence: LEVEL }, {}].entries()) {
      const count = (of: number[], criterion: Criterion, own: MetricsDocument, other: MetricsDocument): void => {
        of[place] = (of[place] as number) + Number(decide({ ...criterion, ...more }, own, other).held);
      };
      count(pass.better, BETTER, candidate, reference);
      count(pass.keeps99, KEEPS, candidate, reference);
      count(pass.worse, BETTER, reference, candidate);
    }
    value.add(decide({ metric: 'primary', atLeast: truth.candidate }, candidate, reference), 0);
    difference.add(decide(BETTER, candidate, reference), truth.candidate - truth.reference);
  }
  const shares = ([confident, bare]: readonly number[]): Pair => ({
    confident: (confident as number) / gates,
    bare: (bare as number) / gates,
  });
  return {
    images,
    gates,
    replicates,
    block,
    better: shares(pass.better),
    keeps99: shares(pass.keeps99),
    worse: shares(pass.worse),
    value: value.coverage(),
    difference: difference.coverage(),
  };
}

class Intervals {
  private all = 0;
  private above = 0;
  private below = 0;
  private mirrored = 0;
  private widths = 0;

  /** @param truth of the margin. */
  add({ interval, margin }: CriterionEvidence, truth: number): void {
    if (interval === undefined) throw new Error('a gate without an interval');
    this.all++;
    this.above += Number(interval.low > truth);
    this.below += Number(interval.high < truth);
    this.mirrored += Number(2 * margin - interval.high <= truth && truth <= 2 * margin - interval.low);
    this.widths += interval.high - interval.low;
  }

  coverage(): Coverage {
    const { all, above, below, mirrored, widths } = this;
    return {
      held: (all - above - below) / all,
      above: above / all,
      below: below / all,
      mirrored: mirrored / all,
      width: widths / all,
    };
  }
}

/** A gate with this criterion alone, from the decision down to its one line of evidence. */
function decide(criterion: Criterion, own: MetricsDocument, reference: MetricsDocument): CriterionEvidence {
  const cases = [
    { name: 'pass', criteria: [criterion] },
    { name: 'fail', criteria: [] },
  ];
  const verdict = decideGate({ cases, policy: 'own' }, [{ head: 'task', sets: [{ metrics: own, reference }] }]);
  if (!verdict.ok) throw new Error(JSON.stringify(verdict.error));
  const [line] = verdict.value.evidence;
  if (line === undefined || !('margin' in line)) throw new Error('a gate without evidence');
  if (line.held !== (verdict.value.case === 'pass')) throw new Error('a verdict unlike its evidence');
  return line;
}

function documentOf(
  measured: MetricResult,
  settings: { readonly count: number; readonly seed: number; readonly block: number },
): MetricsDocument {
  const { primary, values, units, higherIsBetter, count } = measured;
  return {
    fact: { port: 'metrics', task: 'task', primary, values, units, higherIsBetter },
    classes: {},
    replicates: {
      method: 'bootstrap',
      ...settings,
      images: count,
      data: null,
      ...bootstrapReplicates(measured, settings),
    },
  };
}
