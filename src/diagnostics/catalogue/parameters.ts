// HG12xx: parameters, substitution objects, tasks and profiles. One constructor per problem.
import { errorAt } from '../diagnostic.ts';
import type { Diagnostic } from '../diagnostic.ts';
import type { Place } from '../source.ts';
import { suggestion } from '../suggest.ts';

export function unknownParameter(at: Place, path: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1201', at, {
    message: `parameter "${path}" does not exist`,
    help: suggestion(path, known, 'parameters'),
  });
}

export function parameterType(at: Place, path: string, expected: string, found: string): Diagnostic {
  return errorAt('HG1202', at, { message: `parameter "${path}" is ${expected}; it cannot become ${found}` });
}

export function malformedSetting(at: Place): Diagnostic {
  return errorAt('HG1203', at, {
    message: 'this is not path=value',
    help: 'for example: --set heads.detection.qat.epochs=2',
  });
}

export function paramsNotObject(at: Place): Diagnostic {
  return errorAt('HG1204', at, { message: 'a params file holds one JSON object' });
}

export function unknownSubstitution(at: Place, key: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1205', at, {
    message: `"${key}" is not a substitution`,
    help: suggestion(key, known, 'substitutions'),
  });
}

export function crowdedSubstitution(at: Place, key: string): Diagnostic {
  return errorAt('HG1206', at, {
    message: `an object with "${key}" holds nothing else`,
    help: 'a substitution stands for the whole value',
  });
}

export function malformedSubstitution(at: Place, key: string, form: string): Diagnostic {
  return errorAt('HG1207', at, { message: `"${key}" has the form ${form}` });
}

export function eachWithoutItem(at: Place, key: string): Diagnostic {
  return errorAt('HG1208', at, {
    message: `"${key}" needs a stage with "forEach" or "task"`,
    help: 'outside of one there is no item whose fields could be taken',
  });
}

export function unknownItemField(at: Place, path: string, item: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1209', at, {
    message: `"${item}" has no field "${path}"`,
    help: suggestion(path, known, 'fields'),
  });
}

export function unknownProfile(at: Place, name: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1210', at, {
    message: `profile "${name}" is not declared`,
    help: suggestion(name, known, 'profiles'),
  });
}

export function noProfile(at: Place): Diagnostic {
  return errorAt('HG1211', at, {
    message: 'no profile is active here',
    help: 'give the stage `with.profile`, or the workflow a parameter "profile"',
  });
}

export function unknownProfileField(at: Place, path: string, profile: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1212', at, {
    message: `profile "${profile}" has no field "${path}"`,
    help: suggestion(path, known, 'fields'),
  });
}

export function unknownTask(at: Place, name: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1213', at, { message: `task "${name}" is not declared`, help: suggestion(name, known, 'tasks') });
}

export function taskWithFanOut(at: Place): Diagnostic {
  return errorAt('HG1214', at, {
    message: '"task" and "forEach" over tasks exclude each other',
    help: 'each instance has its own task already',
  });
}

export function duplicateItem(at: Place, item: string): Diagnostic {
  return errorAt('HG1215', at, { message: `"${item}" is listed twice` });
}

export function emptyFanOut(at: Place): Diagnostic {
  return errorAt('HG1216', at, {
    message: 'there is nothing to repeat this stage for',
    help: 'declare tasks, or list at least one item',
  });
}

export function conditionNotBoolean(at: Place, found: string): Diagnostic {
  return errorAt('HG1217', at, { message: `a condition is true or false, not ${found}` });
}

export function wrongShape(at: Place, field: string, expected: string): Diagnostic {
  return errorAt('HG1218', at, { message: `"${field}" must be ${expected}` });
}

export function unknownKind(at: Place, kind: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1219', at, { message: `there is no stage kind "${kind}"`, help: suggestion(kind, known, 'kinds') });
}

export function itemIsPlain(at: Place, item: string): Diagnostic {
  return errorAt('HG1220', at, {
    message: `"${item}" is a plain word and has no fields`,
    help: `use {"$key": true}; fields exist for tasks`,
  });
}

export function splitSharedWithReport(at: Place, task: string, split: string): Diagnostic {
  return errorAt('HG1221', at, {
    message: `task "${task}" reports on its ${split} data`,
    help: 'published figures come from data that no training, calibration or decision has seen: give `report` a split of its own',
  });
}

/** @param key of the substitution that reads it. */
export function notAList(at: Place, key: string, found: string): Diagnostic {
  return errorAt('HG1222', at, { message: `"${key}" reads a list, not ${found}` });
}

export function indexNotWhole(at: Place, found: string): Diagnostic {
  return errorAt('HG1223', at, {
    message: `an index is a whole number from 0 on, not ${found}`,
    help: 'in the body of a loop {"$iteration": true} is one',
  });
}

export function indexOutOfRange(at: Place, index: number, length: number): Diagnostic {
  return errorAt('HG1224', at, {
    message:
      length === 0
        ? `the list is empty: there is no item ${index}`
        : `the list has ${length === 1 ? 'one item' : `${length} items`}, counted from 0: there is no item ${index}`,
    help: 'a loop over a list has "maxIterations": {"$length": list}',
  });
}
