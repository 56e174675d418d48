// Statistics that a calibration is given in place of data, of another scope, other weights or another backbone than its own: as
// far as the workflow alone shows it. What they hold is checked again where they are read.
import { headOfTask } from './port-types.ts';
import type { ArrivalFinding, Finding, Producer, Producers, StageContext } from './stage-kind.ts';
import { BACKBONE, HEAD, namesOf } from './wrong-orders.ts';

export function otherStatistics(context: StageContext, producers: Producers): readonly ArrivalFinding[] {
  return producers.of({ port: 'statistics' }).flatMap((arriving): readonly ArrivalFinding[] => {
    const reason = statisticsReason(context, producers, arriving);
    if (reason === undefined) return [];
    return [{ path: [], ...reason, arriving }];
  });
}

type Reason = Pick<Finding, 'message' | 'help'> & { readonly path?: Finding['path'] };

function statisticsReason(context: StageContext, producers: Producers, arriving: Producer): Reason | undefined {
  const { name, kind, output, context: earlier, inputs } = arriving;
  // What a program writes is known when it has run.
  if (kind.runsOn !== 'embedded') return undefined;
  if (output.name !== 'statistics')
    return { message: `${name} is no statistics`, help: 'link the output `statistics` of a calibrate stage' };
  const [scope, observed] = [scopeText(context), scopeText(earlier)];
  if (scope !== observed)
    return {
      message: `${name} was observed of the ${observed}, but the ${scope} is calibrated here`,
      help: `observe the ${scope} once, and find scales from its statistics`,
    };
  const [equalise, before] = [context, earlier].map(({ settings }) => settings['equalise'] === true);
  if (equalise !== before)
    return {
      path: ['equalise'],
      message: `${name} was observed ${before === true ? 'after' : 'without'} equalisation, here weights are ${equalise === true ? '' : 'not '}equalised`,
      help: 'equalisation moves the weights that are observed: set it alike in both stages',
    };
  if (context.settings['biasCorrection'] === true && earlier.settings['biasCorrection'] !== true)
    return {
      path: ['biasCorrection'],
      message: `${name} holds no mean inputs, which bias correction needs`,
      help: 'set `biasCorrection` in the stage that observes, too',
    };
  for (const member of context.settings['scope'] === 'head' ? [HEAD, BACKBONE] : [BACKBONE]) {
    const [then, now] = [inputs.of(member), producers.of(member, arriving)];
    if (then.length === 0 || now.length === 0 || then.some((one) => now.some((other) => one.mayEqual(other)))) continue;
    return {
      message: `${name} was observed with the ${member.port} ${namesOf(then)}, here it is ${namesOf(now)}`,
      help: 'statistics are of the weights that they were observed with: observe these',
    };
  }
  return undefined;
}

function scopeText({ settings, task }: StageContext): string {
  return settings['scope'] === 'head' && task !== undefined ? `head "${headOfTask(task)}"` : 'backbone';
}
