// A training's progress as events, a few a second at most: position, smoothed loss, images per second, time left.
import type { JobContext } from './job-context.ts';
import type { TrainingSettings } from './settings.ts';

const PROGRESS_MS = 500;

export class TrainingProgress {
  private readonly context: JobContext;
  private readonly total: number;
  private readonly stepsPerEpoch: number;
  private readonly training: TrainingSettings;
  private readonly firstStep: number;
  private readonly started = performance.now();
  private last = 0;
  private smoothed: number | undefined;

  constructor(
    context: JobContext,
    total: number,
    stepsPerEpoch: number,
    training: TrainingSettings,
    firstStep: number,
  ) {
    this.context = context;
    this.total = total;
    this.stepsPerEpoch = stepsPerEpoch;
    this.training = training;
    this.firstStep = firstStep;
  }

  /** After step `step` (from 1). */
  step(step: number, loss: number, learningRate: number): void {
    this.smoothed = this.smoothed === undefined ? loss : 0.95 * this.smoothed + 0.05 * loss;
    const now = performance.now();
    if (now - this.last < PROGRESS_MS && step < this.total) return;
    this.last = now;
    const perStep = (now - this.started) / (step - this.firstStep) / 1000;
    this.context.emit({
      type: 'progress',
      unit: 'epoch',
      done: Math.floor(step / this.stepsPerEpoch),
      total: this.training.epochs,
      step: step % this.stepsPerEpoch,
      steps: this.stepsPerEpoch,
      loss: this.smoothed,
      learningRate,
      rate: this.training.batch / perStep,
      secondsLeft: perStep * (this.total - step),
    });
  }
}
