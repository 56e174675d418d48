// The observer that a stage's settings ask for, defaults filled in.
import { checkObserver } from '../../qat/quantize/observers.ts';
import type { Observer, SimpleObserver } from '../../qat/quantize/observers.ts';
import type { ObserverSettings } from './settings.ts';

/** @throws ObserverError for one that cannot observe. */
export function observerOf(settings: ObserverSettings): Observer {
  const observer = madeOf(settings);
  checkObserver(observer);
  return observer;
}

function madeOf(settings: ObserverSettings): Observer {
  if (settings.kind !== 'mix') return simpleObserver(settings);
  const parts = settings.of ?? [{ kind: 'min-max' }, { kind: 'percentile' }, { kind: 'kl' }];
  return { kind: 'mix', of: parts.map(simpleObserver) };
}

function simpleObserver(settings: ObserverSettings): SimpleObserver {
  switch (settings.kind) {
    case 'min-max':
    case 'kl':
      return { kind: settings.kind };
    case 'moving-average':
      return { kind: 'moving-average', averagingConstant: settings.averagingConstant ?? 0.01 };
    case 'percentile':
      return { kind: 'percentile', percentile: settings.percentile ?? 99.99 };
    case 'mse':
      return { kind: 'mse', candidates: settings.candidates ?? 80 };
    case 'mix':
      throw new Error('a mix of mixes');
  }
}
