// Learned scales stand among the trained parameters, under names that no tensor of a network bears.

export const activationScaleSlot = (value: string): string => `activation-scale:${value}`;

export const weightScaleSlot = (weight: string): string => `weight-scale:${weight}`;

export function isScaleSlot(name: string): boolean {
  return name.startsWith('activation-scale:') || name.startsWith('weight-scale:');
}
