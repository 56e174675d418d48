// HG14xx: the cases of a gate as they are written, and what they ask for. One constructor per problem.
import { errorAt } from '../diagnostic.ts';
import type { Diagnostic } from '../diagnostic.ts';
import { placeText } from '../source.ts';
import type { Place } from '../source.ts';
import { listed, suggestion } from '../suggest.ts';

export function casesMissing(at: Place, gate: string): Diagnostic {
  return errorAt('HG1401', at, {
    message: `gate "${gate}" has no cases`,
    help: 'a gate needs "cases", the last of them {"name": …, "else": true}',
  });
}

export function casesNotAllowed(at: Place, kind: string): Diagnostic {
  return errorAt('HG1402', at, { message: `a ${kind} stage has no cases`, help: 'only gates do' });
}

export function elseMissing(at: Place, gate: string, last: string): Diagnostic {
  return errorAt('HG1403', at, {
    message: `gate "${gate}" has no else: nothing is chosen when "${last}" does not hold`,
    help: 'add a last case {"name": …, "else": true}',
  });
}

export function caseAfterElse(at: Place, name: string, elseName: string): Diagnostic {
  return errorAt('HG1404', at, {
    message: `case "${name}" stands after the else case "${elseName}" and can never be chosen`,
    help: 'else is the last case',
  });
}

export function duplicateCase(at: Place, name: string, first: Place): Diagnostic {
  return errorAt('HG1405', at, {
    message: `case "${name}" is given twice`,
    help: `the first one is at ${placeText(first)}`,
  });
}

export function elseWithCriteria(at: Place, name: string): Diagnostic {
  return errorAt('HG1406', at, {
    message: `the else case "${name}" has a condition`,
    help: 'else is chosen when no other case is; it has no "criteria" and no "if"',
  });
}

export function caseWithoutCriteria(at: Place, name: string): Diagnostic {
  return errorAt('HG1407', at, {
    message: `case "${name}" says nothing about when it is chosen`,
    help: 'give it "criteria", "if" or "else"',
  });
}

export function criterionForm(at: Place, found: readonly string[], known: readonly string[]): Diagnostic {
  return errorAt('HG1408', at, {
    message:
      found.length === 0
        ? 'the criterion compares with nothing'
        : `the criterion compares with several things: ${found.join(', ')}`,
    help: `exactly one of: ${known.join(', ')}`,
  });
}

export function referenceNeeded(at: Place, gate: string, criterion: string): Diagnostic {
  return errorAt('HG1410', at, {
    message: `"${criterion}" needs a reference, and gate "${gate}" has none`,
    help: 'give the gate the input "reference"',
  });
}

export function setUnknown(at: Place, gate: string, set: string, sets: readonly string[] | undefined): Diagnostic {
  return errorAt('HG1420', at, {
    message:
      sets === undefined
        ? `gate "${gate}" has one evaluation set without a name, so none is called "${set}"`
        : `gate "${gate}" has no evaluation set "${set}"`,
    help:
      sets === undefined
        ? 'name the sets: "metrics": {"collect": {"day": "a.metrics", "night": "b.metrics"}}'
        : suggestion(set, sets, 'sets'),
  });
}

export function referenceLacksSet(
  at: Place,
  gate: string,
  set: string | undefined,
  sets: readonly string[] | undefined,
): Diagnostic {
  const has = sets === undefined ? 'is one set without a name' : `has the sets ${listed(sets)}`;
  return errorAt('HG1421', at, {
    message:
      set === undefined
        ? `the metrics of gate "${gate}" are one set without a name, but its reference ${has}`
        : `the reference of gate "${gate}" ${has}, but not "${set}"`,
    help: 'every set is compared with the reference of the same name',
  });
}

export function historyNeeded(at: Place, gate: string): Diagnostic {
  return errorAt('HG1422', at, {
    message: `"hysteresis" looks back at earlier iterations, and gate "${gate}" has none: it is in no loop`,
    help: 'use it in the "until" of a loop, or give the gate the input "history"',
  });
}

export function historyOfPeers(at: Place, gate: string): Diagnostic {
  return errorAt('HG1423', at, {
    message: `"hysteresis" follows the gate's own numbers, and gate "${gate}" decides on those of its peers`,
    help: 'use the policy "failing" and give every peer as a set of "metrics": all sets must hold, each by its own history',
  });
}

/** @param peer undefined when no peer has sets. */
export function peerLacksSet(at: Place, gate: string, set: string, peer: string | undefined): Diagnostic {
  const message =
    peer === undefined
      ? `gate "${gate}" decides on named evaluation sets, but its peers have none`
      : `peer "${peer}" of gate "${gate}" has no evaluation set "${set}"`;
  return errorAt('HG1424', at, {
    message,
    help: `collect the peers of every set: {"collect": {"${set}": {"collect": "stage.metrics"}, …}}`,
  });
}

/** @param set undefined for the one without a name. */
export function historyLacksSet(at: Place, gate: string, iteration: number, set: string | undefined): Diagnostic {
  const [what, inside] =
    set === undefined
      ? ['one evaluation set without a name', '"stage.metrics"']
      : [`the evaluation set "${set}"`, `{"collect": {"${set}": "stage.metrics", …}}`];
  return errorAt('HG1429', at, {
    message: `"hysteresis" follows ${what}, and the history of gate "${gate}" has no such numbers of iteration ${iteration}`,
    help: `give the same sets of every iteration: {"collect": {"${iteration}": ${inside}}}`,
  });
}

export function conditionInvalid(
  at: Place,
  problem: string,
  variables: readonly string[],
  sets: readonly string[] | undefined,
): Diagnostic {
  const example = sets === undefined ? 'metrics.mAP >= 0.4' : `metrics.${sets[0] ?? 'day'}.mAP >= 0.4`;
  return errorAt('HG1425', at, {
    message: `the expression cannot be used: ${problem}`,
    help: `it is a CEL condition over ${listed(variables)}, such as ${example}`,
  });
}

export function metricsNeeded(at: Place, gate: string): Diagnostic {
  return errorAt('HG1426', at, {
    message: `gate "${gate}" has no metrics to judge`,
    help: 'give it the input "metrics", or decide on its verdicts: {"verdicts": {"every": ["pass"]}}',
  });
}

export function verdictsNeeded(at: Place, gate: string): Diagnostic {
  return errorAt('HG1427', at, {
    message: `the case decides on verdicts, and gate "${gate}" reads none`,
    help: 'give the gate the input "verdicts": {"collect": "gate.verdict"}',
  });
}

export function verdictNeverChosen(at: Place, gate: string, name: string, known: readonly string[]): Diagnostic {
  return errorAt('HG1428', at, {
    message: `no verdict that gate "${gate}" reads can choose "${name}"`,
    help: suggestion(name, known, 'cases'),
  });
}

export function timeNotKnown(at: Place, gate: string): Diagnostic {
  return errorAt('HG1430', at, {
    message: `"longerThan" asks how long a loop has worked, and gate "${gate}" judges none`,
    help: 'write it as the "budget" of a loop',
  });
}
