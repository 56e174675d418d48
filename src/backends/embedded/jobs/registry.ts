// The embedded backend's jobs, by stage kind. Imported on demand: a job loads only what it needs.
import type { JobRequest } from '../../../events/job-protocol.ts';
import type { JobContext, JobOutcome } from '../job-context.ts';

export type Job = (request: JobRequest, context: JobContext) => Promise<JobOutcome>;

export const jobs: ReadonlyMap<string, Job> = new Map<string, Job>([
  ['dataset', async (request, context) => (await import('./dataset.ts')).runDataset(request, context)],
  ['model', async (request, context) => (await import('./model.ts')).runModel(request, context)],
  ['import', async (request, context) => (await import('./import.ts')).runImport(request, context)],
  ['release', async (request, context) => (await import('./release.ts')).runRelease(request, context)],
  ['add-head', async (request, context) => (await import('./add-head.ts')).runAddHead(request, context)],
  ['train', async (request, context) => (await import('./train.ts')).runTrain(request, context)],
  ['finetune', async (request, context) => (await import('./finetune.ts')).runFinetune(request, context)],
  ['calibrate', async (request, context) => (await import('./calibrate.ts')).runCalibrate(request, context)],
  ['qat', async (request, context) => (await import('./qat.ts')).runQat(request, context)],
  ['validate', async (request, context) => (await import('./validate.ts')).runValidate(request, context)],
  ['merge', async (request, context) => (await import('./merge.ts')).runMerge(request, context)],
  ['export', async (request, context) => (await import('./export.ts')).runExport(request, context)],
  ['analyze', async (request, context) => (await import('./analyze.ts')).runAnalyze(request, context)],
]);
