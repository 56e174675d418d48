// HG14xx: the cases that others hang on, and joins; the cases themselves are in `gate-cases.ts`. One constructor per problem.
import { errorAt } from '../diagnostic.ts';
import type { Diagnostic } from '../diagnostic.ts';
import { placeText } from '../source.ts';
import type { Place } from '../source.ts';
import { listed, suggestion } from '../suggest.ts';

export function notAGate(at: Place, stage: string, kind: string): Diagnostic {
  return errorAt('HG1411', at, {
    message: `stage "${stage}" is a ${kind} stage, not a gate, so it has no cases`,
    help: 'to wait for a stage, write its name alone',
  });
}

export function caseNotDeclared(at: Place, gate: string, name: string, cases: readonly string[]): Diagnostic {
  return errorAt('HG1412', at, {
    message: `gate "${gate}" has no case "${name}"`,
    help: suggestion(name, cases, 'cases'),
  });
}

export function severalGates(at: Place, gates: readonly string[]): Diagnostic {
  return errorAt('HG1413', at, {
    message: `these are cases of several gates: ${listed(gates)}`,
    help: 'all of them must belong to one gate, or they could hold at once, or none of them',
  });
}

export function overlappingJoin(at: Place, gate: string, name: string): Diagnostic {
  return errorAt('HG1414', at, {
    message: `two alternatives are meant for case "${name}" of gate "${gate}"`,
    help: 'every case has one alternative',
  });
}

export function incompleteJoin(at: Place, gate: string, missing: readonly string[]): Diagnostic {
  const cases = missing.map((name) => `"${name}"`).join(', ');
  return errorAt('HG1415', at, {
    message: `no alternative for case ${cases} of gate "${gate}", after which the run goes on`,
    help: `add {"when": "${gate}:${missing[0] ?? ''}", "from": …}, or end the run there with a stop stage`,
  });
}

export function alternativeMayBeMissing(
  at: Place,
  reference: string,
  gate: string,
  missing: readonly string[],
): Diagnostic {
  return errorAt('HG1416', at, {
    message: `${reference} does not exist when gate "${gate}" chooses ${missing.map((name) => `"${name}"`).join(' or ')}`,
    help: 'the alternative must exist whenever its case is chosen: join the other cases first, or end the run there',
  });
}

export function stopUnconditional(at: Place, stage: string): Diagnostic {
  return errorAt('HG1417', at, {
    message: `stop stage "${stage}" hangs on no gate's case, so it would always end the run`,
    help: 'give it "after": "gate:case"',
  });
}

export function neverBoth(
  at: Place,
  stage: string,
  gate: string,
  one: readonly string[],
  other: readonly string[],
): Diagnostic {
  return errorAt('HG1418', at, {
    message: `stage "${stage}" can never run: gate "${gate}" would have to choose ${orList(one)} and ${orList(other)} at once`,
    help: 'a gate chooses one case',
  });
}

export function caseNeverChosen(at: Place, gate: string, name: string, ifAt: Place): Diagnostic {
  return errorAt('HG1419', at, {
    message: `case "${name}" of gate "${gate}" can never be chosen`,
    help: `its "if" is false at ${placeText(ifAt)}`,
  });
}

function orList(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(' or ');
}
