// The one training set of several tasks that are trained in the same step.
import type { JobRequest } from '../../events/job-protocol.ts';
import { JobError } from './job-error.ts';
import type { TaskSettings } from './settings.ts';

/** Several tasks share their images: one forward of the backbone serves all of them. @returns the port. */
export function commonData(request: JobRequest, tasks: readonly TaskSettings[]): string {
  if (tasks.length <= 1 || request.inputs['data[train]'] !== undefined) return 'data[train]';
  const ports = tasks.map((task) => `data[${task.name}.train]`);
  const digests = new Set(ports.map((port) => request.inputs[port]?.digest));
  if (digests.size > 1)
    throw new JobError({
      reason: 'data',
      message: 'the tasks have different training sets',
      remedy: 'Give the stage one training set that holds the targets of all of them, as its input "data[train]".',
    });
  return ports[0] as string;
}
