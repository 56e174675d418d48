// HG16xx: stage kinds that packages bring along. One constructor per problem.
import { errorAt, errorInFile } from '../diagnostic.ts';
import type { Diagnostic } from '../diagnostic.ts';
import type { Place } from '../source.ts';

export function kindPackageMissing(at: Place, name: string): Diagnostic {
  return errorAt('HG1601', at, {
    message: `there is no package "${name}" here`,
    help: name.startsWith('.')
      ? 'such a path is relative to the workflow file and leads to a folder with a package.json, inside the root'
      : `npm install ${name}; it is looked for in node_modules of the workflow's folder, of the folders above it and of the root`,
  });
}

export function kindPackageName(at: Place, name: string): Diagnostic {
  return errorAt('HG1602', at, {
    message: `"${name}" is not the name of a package`,
    help: 'write a name from a registry, such as "headgate-kind-threshold", or a path that begins with "./"',
  });
}

export function packageWithoutKinds(file: string): Diagnostic {
  return errorInFile('HG1603', file, {
    message: 'the package declares no stage kinds',
    help: 'its package.json lists them: "headgate": {"kinds": ["./kinds/threshold.kind.json"]}',
  });
}

export function leavesPackage(at: Place, path: string): Diagnostic {
  return errorAt('HG1604', at, {
    message: `"${path}" is not a path inside its package`,
    help: 'write it relative to the package, beginning with "./" and without ".."',
  });
}

export function kindTaken(at: Place, kind: string, by: string): Diagnostic {
  return errorAt('HG1605', at, {
    message: `there is a stage kind "${kind}" already: ${by}`,
    help: `call it "vendor/${kind.split('/').at(-1)}", with a name of yours`,
  });
}

export function settingsSchemaBroken(at: Place, problem: string): Diagnostic {
  return errorAt('HG1606', at, { message: `"settings" is not a JSON Schema of draft 2020-12: ${problem}` });
}

export function packageFileMissing(at: Place, path: string): Diagnostic {
  return errorAt('HG1607', at, { message: `the package has no "${path}"` });
}

export function fileSettingUnknown(at: Place, name: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1608', at, {
    message: `"${name}" is not a property of "settings"`,
    help: known.length === 0 ? 'the schema has no "properties"' : `properties: ${known.join(', ')}`,
  });
}

export function packageUnreadable(at: Place, found: { readonly path: string; readonly problem: string }): Diagnostic {
  return errorAt('HG1609', at, {
    message: `what this program consists of cannot be told: ${found.path}: ${found.problem}`,
    help: 'take it out of the package, or name in "job": {"code": […]} the files and folders that the program consists of',
  });
}
