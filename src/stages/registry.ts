// Every stage kind by its name. A new kind is a new file under `kinds/` and a line here.
import { addHead } from './kinds/add-head.ts';
import { analyze } from './kinds/analyze.ts';
import { best } from './kinds/best.ts';
import { calibrate } from './kinds/calibrate.ts';
import { command } from './kinds/command.ts';
import { dataset } from './kinds/dataset.ts';
import { exportKind } from './kinds/export.ts';
import { finetune } from './kinds/finetune.ts';
import { gate } from './kinds/gate.ts';
import { importKind } from './kinds/import.ts';
import { merge } from './kinds/merge.ts';
import { model } from './kinds/model.ts';
import { qat } from './kinds/qat.ts';
import { release } from './kinds/release.ts';
import { select } from './kinds/select.ts';
import { stop } from './kinds/stop.ts';
import { train } from './kinds/train.ts';
import { validate } from './kinds/validate.ts';
import type { StageKind } from './stage-kind.ts';

const kinds = [
  dataset,
  model,
  importKind,
  release,
  addHead,
  train,
  calibrate,
  qat,
  validate,
  gate,
  select,
  best,
  stop,
  finetune,
  merge,
  exportKind,
  analyze,
  command,
];

export const stageKinds: ReadonlyMap<string, StageKind> = new Map(kinds.map((kind) => [kind.kind, kind]));
