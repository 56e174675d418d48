// What scales that are learned by gradient do not go together with.
import type { Finding, StageContext } from './stage-kind.ts';

export function checkLearned({ settings, profile }: StageContext): readonly Finding[] {
  const learned = ['activationScales', 'weightScales'].find((name) => settings[name] === 'learned');
  const powers = learned !== undefined && profile?.['powerOfTwoScales'] === true;
  const unfolded = settings['weightScales'] === 'learned' && settings['bn'] === 'kept';
  return [
    ...(powers
      ? [
          {
            path: [learned],
            message: 'learned scales are no powers of two, which the profile asks for',
            help: 'let scales follow, or leave "powerOfTwoScales" out of the profile',
          },
        ]
      : []),
    ...(unfolded
      ? [
          {
            path: ['bn'],
            message: 'learned weight scales are those of folded weights, which "kept" does not have',
            help: 'choose train, folded or frozen',
          },
        ]
      : []),
  ];
}
