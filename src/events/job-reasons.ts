// Reasons that a job gives for its failure, each with what it means, what to do about it, and whether waiting can help: the
// one table behind the job protocol's type, what `retry` tries again, the schema of `retry.on` and the reference of failures.

/** A remedy stands for every cause of its reason; a failure that knows its own cause brings a better one along. */
export interface ReasonWords {
  /** What happened, as a sentence for people who meet the word for the first time. */
  readonly meaning: string;
  readonly remedy: string;
  /** Whether the same stage may succeed later although nothing about it has changed. */
  readonly mayPass: boolean;
}

/** A job is deterministic: what it says of its settings, its data or its model it will say again. */
function lasting(meaning: string, remedy: string): ReasonWords {
  return { meaning, remedy, mayPass: false };
}

function passing(meaning: string, remedy: string): ReasonWords {
  return { meaning, remedy, mayPass: true };
}

const REPORT = 'This is a bug in headgate: please report it with the message.';

export const jobReasons = {
  'backbone-mismatch': lasting(
    'A head was made on another backbone than the one it is merged with.',
    'Calibrate and train the head on the backbone that is merged.',
  ),
  'boundary-differs': lasting(
    'The scale of a tensor between backbone and heads is not the one the backbone was saved with.',
    'Merge heads and backbone as they were saved; heads never scale a boundary themselves.',
  ),
  'corrupt-onnx': lasting(
    'A file is no ONNX model, or is damaged.',
    'Export the model again, or check the file with onnx.checker.',
  ),
  data: lasting(
    'The data set does not hold what the stage needs of it.',
    'Look at the data set that the message names.',
  ),
  'deployed-differs': lasting(
    'A layer in its deployed form, with all quantisers off, does not compute what the float graph does.',
    REPORT,
  ),
  'empty-scale': lasting(
    'A tensor showed no value that a scale could be made of.',
    'The calibration data never excites this tensor, or the layer before it is dead: add data, or look at its weights.',
  ),
  'equalisation-differs': lasting(
    'Equalisation changed what the scope computes.',
    'Leave `equalise` out for this scope: its weights span more than float32 can rescale.',
  ),
  export: lasting(
    'The model cannot be written in the form that was asked for.',
    'Choose a profile that the form can express, or leave the form out.',
  ),
  'export-differs': lasting('The exported file does not compute what the merged model does.', REPORT),
  'fault-unnoticed': lasting('A fault was injected into the job on purpose, and no proof noticed it.', REPORT),
  'freeze-violated': lasting(
    'Something that is frozen changed while the stage trained.',
    'Nothing of it is kept. Run the stage again; if it happens again, please report it with the message.',
  ),
  gradient: lasting(
    'A node of the model has no gradient.',
    'Freeze the part of the model that holds this node, or cut the model before it.',
  ),
  'import-differs': lasting(
    'The imported model does not compute what its file does.',
    'This is a bug in headgate: please report the model. Exporting it at opset 18 avoids the conversion.',
  ),
  internal: passing('The job met something that headgate did not expect.', REPORT),
  'load-order': lasting(
    'A checkpoint is not of the scope or state that is needed where it is loaded.',
    'Link the stage that makes what is needed here: float before prepare, calibrated or QAT after it, heads on their own backbone.',
  ),
  'loss-not-finite': lasting(
    'The training loss became infinite or no number.',
    'Lower the learning rate, or give it a warm-up; look at the data for values that are no numbers.',
  ),
  machine: passing('The machine refused something: disk, permissions, open files.', 'Do as the message says.'),
  'merge-differs': lasting('The merged model does not compute what its parts do.', REPORT),
  'merged-model': lasting(
    'A released model is refused: it is not what its merged.json says, or not what the stage asks for.',
    'Take the folder from where it was released again, whole; `merge` writes it with its merged.json.',
  ),
  'metric-not-finite': lasting(
    'A metric came out infinite or no number.',
    'Look at the training before it: a lower learning rate or a warm-up, or data without ground truth.',
  ),
  model: lasting(
    'The model cannot be divided or used as the stage asks.',
    'Name other boundary or output tensors, or change the model; `headgate inspect FILE` lists its tensors.',
  ),
  'not-finite': lasting(
    'Something that is to be kept holds an infinity, or what is no number.',
    'Look at the values that the message names: weights of the model, data, or a training before it that went astray.',
  ),
  observer: lasting('The observer cannot be used as it is set.', 'Choose another averaging constant or observer.'),
  'out-of-memory': passing(
    'There was not enough memory for the work.',
    'Give the stage fewer images in a batch, or run fewer jobs at once (--jobs).',
  ),
  profile: lasting(
    'What arrives as a profile is none.',
    'Link the `profile` output of an analyze stage, or a file in the form of schemas/profile.schema.json.',
  ),
  protocol: lasting(
    'Engine and job do not understand each other.',
    'Use the worker, or the version of the package, that belongs to this headgate.',
  ),
  'release-changed': lasting(
    'What was released before is not in the merged model bit for bit.',
    'Merge backbone and released heads as the `release` stage gives them; only the new head may be another.',
  ),
  runtime: lasting(
    'onnxruntime refused the graph.',
    'Check the model with onnx.checker; if it is sound, this is a bug in headgate.',
  ),
  'self-test-failed': lasting('The profile behaves on this machine otherwise than it must.', REPORT),
  settings: lasting(
    'A setting does not fit the model, the data or another setting.',
    'Change the setting that the message names.',
  ),
  'training-diverged': lasting(
    'The training loss ended far above where it started.',
    'Lower the learning rate, or give it a warm-up. `divergenceFactor` says how far above its start the loss may end; 0 is anywhere.',
  ),
  'training-stuck': lasting(
    'The metric on the gate split never moved while the stage trained.',
    'Change the learning rate; look at whether the task has ground truth in the gate split, and whether the loss falls.',
  ),
  'unsupported-model': lasting(
    'The model has a node that headgate cannot work with.',
    'Import the float model up to this node, or replace the node.',
  ),
  'weights-changed': lasting('Calibration changed weights that no declared transformation changes.', REPORT),
  'weights-off-grid': lasting(
    'A quantised weight is more than half a step away from its float one.',
    'This is a bug in headgate, or the checkpoint was changed after it was written: calibrate again, and report it if it stays.',
  ),
  'wrong-shape': lasting(
    'Data, model and task do not agree about a shape.',
    'Make the shapes that the message names equal.',
  ),
} as const satisfies { readonly [word: string]: ReasonWords };

/** What headgate's own worker may say. Programs of packages say these too, or words of their own (see OWN_REASON). */
export type JobReason = keyof typeof jobReasons;

/** A package's words begin with `x-`, so that none of them is ever taken for one of headgate's. */
export const OWN_REASON = /^x-[a-z0-9]+(-[a-z0-9]+)*$/;

export const jobReasonWords: readonly JobReason[] = (Object.keys(jobReasons) as JobReason[]).sort();

/** Undefined for a word that is not headgate's. */
export function jobReason(word: string): ReasonWords | undefined {
  return Object.hasOwn(jobReasons, word) ? jobReasons[word as JobReason] : undefined;
}
