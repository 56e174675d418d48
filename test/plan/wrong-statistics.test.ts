// Statistics given in place of data, of another observation than the calibration needs: seen before anything runs.
import { describe, expect, it } from 'vitest';
import { accuracy, calibrated, found, head, imported, trained } from './orders.ts';

describe('statistics of another observation', () => {
  it('are refused when they are of another scope, other weights, another backbone, or no statistics', () => {
    const at = (reference: string): readonly string[] => [`HG1316 next at ${reference}`];
    const statistics = { statistics: 'backbone.statistics' };
    expect(found({ next: head('backbone.backbone', statistics) })).toEqual(at('backbone.statistics'));
    const other = { ...imported, with: { ...imported.with, boundary: ['c'] } };
    const elsewhere = calibrated({ backbone: 'other.backbone', ...statistics });
    expect(found({ other, next: elsewhere })).toEqual(at('backbone.statistics'));
    const seen = { trained: trained('backbone.backbone'), seen: head('backbone.backbone') };
    const onTrained = head('trained.backbone', { statistics: 'seen.statistics' });
    expect(found({ ...seen, next: onTrained })).toEqual(at('seen.statistics'));
    const details = { accuracy, next: calibrated({ statistics: 'accuracy.details' }) };
    expect(found(details)).toEqual(at('accuracy.details'));
  });

  it('are refused for equalised weights and for bias correction that they do not serve', () => {
    const statistics = { statistics: 'backbone.statistics' };
    expect(found({ next: calibrated(statistics, { equalise: true }) })).toEqual(['HG1316 next at true']);
    expect(found({ next: calibrated(statistics, { biasCorrection: true }) })).toEqual(['HG1316 next at true']);
    const cures = { equalise: true, biasCorrection: true };
    const cured = calibrated({}, cures);
    const again = calibrated(
      { statistics: 'cured.statistics' },
      { ...cures, profile: 'w4a8', observer: { kind: 'mse' } },
    );
    expect(found({ cured, again })).toEqual([]);
    expect(found({ cured, next: calibrated({ statistics: 'cured.statistics' }) })).toEqual([
      'HG1316 next at cured.statistics',
    ]);
  });
});
