// HG1101–1109: names that references speak of; HG13xx: ports and what they carry. One constructor per problem.
import { errorAt } from '../diagnostic.ts';
import type { Diagnostic } from '../diagnostic.ts';
import type { Place } from '../source.ts';
import { listed, nearest, suggestion } from '../suggest.ts';

export function malformedReference(at: Place, text: string): Diagnostic {
  return errorAt('HG1101', at, {
    message: `"${text}" is not a reference to an output`,
    help: 'references look like stage.port, stage[key].port or stage.port[key]',
  });
}

export function malformedOrder(at: Place, text: string): Diagnostic {
  return errorAt('HG1102', at, {
    message: `"${text}" is not a stage and not a gate's case`,
    help: 'write stage, stage[key], gate:case or gate[key]:case',
  });
}

export function selfReference(at: Place, stage: string): Diagnostic {
  return errorAt('HG1103', at, { message: `stage "${stage}" refers to itself` });
}

export function stageNotDeclared(at: Place, stage: string, declared: readonly string[]): Diagnostic {
  const near = nearest(stage, declared);
  const all = `declared stages: ${listed(declared)}`;
  return errorAt('HG1104', at, {
    message: `stage "${stage}" is not declared in this workflow`,
    help: near === undefined ? all : `did you mean "${near}"? (${all})`,
  });
}

export function outputNotDeclared(at: Place, stage: string, port: string, outputs: readonly string[]): Diagnostic {
  return errorAt('HG1105', at, {
    message: `stage "${stage}" has no output "${port}"`,
    help: suggestion(port, outputs, 'outputs'),
  });
}

export function instanceNotDeclared(at: Place, stage: string, key: string, keys: readonly string[]): Diagnostic {
  return errorAt('HG1106', at, {
    message: `stage "${stage}" has no instance "${key}"`,
    help: suggestion(key, keys, 'instances'),
  });
}

export function keyNeeded(at: Place, stage: string, keys: readonly string[], caseName: string | undefined): Diagnostic {
  const one = keys[0] ?? 'key';
  const forms =
    caseName === undefined
      ? `write ${stage}[${one}], or {"collect": "${stage}.port"} for all of them`
      : `write ${stage}[${one}]:${caseName}, or ${stage}[*]:${caseName} for all of them`;
  return errorAt('HG1107', at, {
    message: `stage "${stage}" has several instances; which one is meant?`,
    help: `${forms} (instances: ${listed(keys)})`,
  });
}

export function notFanOut(at: Place, stage: string): Diagnostic {
  return errorAt('HG1108', at, {
    message: `stage "${stage}" has no instances, so it takes no [key]`,
    help: 'only stages with "forEach" have instances',
  });
}

export function outputKeyNeeded(at: Place, stage: string, port: string, members: readonly string[]): Diagnostic {
  return errorAt('HG1109', at, {
    message: `output "${port}" of stage "${stage}" has one member per key; which one is meant?`,
    help: `outputs: ${listed(members)}`,
  });
}

export function inputNotDeclared(
  at: Place,
  stage: string,
  kind: string,
  port: string,
  ports: readonly string[],
): Diagnostic {
  return errorAt('HG1301', at, {
    message: `${kind} stage "${stage}" has no input "${port}"`,
    help: suggestion(port, ports, 'inputs'),
  });
}

export function inputMissing(at: Place, stage: string, port: string, help: string): Diagnostic {
  return errorAt('HG1302', at, { message: `stage "${stage}" needs the input "${port}"`, help: `"${port}": ${help}` });
}

export function wrongArtifact(
  at: Place,
  port: string,
  takes: string,
  reference: string,
  gives: string,
  fitting: readonly string[],
): Diagnostic {
  return errorAt('HG1303', at, {
    message: `input "${port}" takes ${takes}, but ${reference} is ${gives}`,
    help: fitting.length === 0 ? 'no stage gives such an output' : `outputs that fit: ${listed(fitting)}`,
  });
}

export function collectExpected(at: Place, port: string): Diagnostic {
  return errorAt('HG1304', at, {
    message: `input "${port}" takes one artifact per key`,
    help: 'write {"collect": "stage.port"} or {"collect": {"key": "stage.port"}}',
  });
}

export function collectNotExpected(at: Place, port: string): Diagnostic {
  return errorAt('HG1305', at, { message: `input "${port}" takes a single artifact, not a collection` });
}

export function collectKeyMissing(at: Place, port: string, key: string): Diagnostic {
  return errorAt('HG1306', at, { message: `the collection for input "${port}" lacks "${key}"` });
}

export function collectKeyUnknown(at: Place, port: string, key: string, keys: readonly string[]): Diagnostic {
  return errorAt('HG1307', at, { message: `input "${port}" takes no "${key}"`, help: suggestion(key, keys, 'keys') });
}

export function collectNothing(at: Place, reference: string): Diagnostic {
  return errorAt('HG1308', at, {
    message: `there is nothing to collect from ${reference}`,
    help: 'a collect needs a stage with "forEach", or an output with keys',
  });
}

export function byKeyWithoutKey(at: Place): Diagnostic {
  return errorAt('HG1309', at, {
    message: '"byKey" needs a stage with "forEach" or "task"',
    help: 'the key of the instance chooses',
  });
}

export function byKeyMissing(at: Place, key: string, keys: readonly string[]): Diagnostic {
  return errorAt('HG1310', at, {
    message: `"byKey" says nothing for "${key}", which this input needs`,
    help: `keys: ${listed(keys)}`,
  });
}

export function byKeyUnknown(at: Place, key: string, keys: readonly string[]): Diagnostic {
  return errorAt('HG1315', at, { message: `there is no instance "${key}"`, help: suggestion(key, keys, 'keys') });
}

export function disabledProducer(at: Place, stage: string): Diagnostic {
  return errorAt('HG1311', at, {
    message: `stage "${stage}" is left out by its "enabled", but this needs it`,
    help: 'give this stage the same "enabled", or read something else',
  });
}

export function dataNotDeclared(at: Place, task: string, split: string, stage: string): Diagnostic {
  return errorAt('HG1312', at, {
    message: `task "${task}" declares no "${split}" data, which stage "${stage}" reads`,
    help: `add "${split}" to tasks.${task}.data`,
  });
}

export function mixedAlternatives(at: Place, port: string, one: string, other: string): Diagnostic {
  return errorAt('HG1313', at, {
    message: `the alternatives for "${port}" are of different types: ${one} and ${other}`,
  });
}

export function collectForwarded(at: Place, stage: string): Diagnostic {
  return errorAt('HG1314', at, { message: `stage "${stage}" forwards single artifacts, not collections` });
}

/** What a kind found in the stages that make its inputs (see StageKind.checkInputs). */
export function orderRefused(at: Place, stage: string, message: string, help: string | undefined): Diagnostic {
  return errorAt('HG1316', at, { message: `wrong order: ${message} (stage "${stage}")`, help });
}
