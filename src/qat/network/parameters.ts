// The trainable tensors of a network and its running statistics, each with the scope it belongs to and the role it plays.
import type { GraphIr, IrNode } from '../onnx/ir.ts';
import { NetworkError } from './network-error.ts';
import { nodesOf } from './units.ts';
import type { Unit } from './units.ts';

export type ParameterRole = 'weight' | 'bias' | 'gamma' | 'beta' | 'mean' | 'variance' | 'slope';

export interface Parameter {
  readonly name: string;
  readonly scope: string;
  readonly role: ParameterRole;
  readonly shape: readonly number[];
}

/** Operator → the roles of its inputs; undefined where an input is no parameter. Other constants stay constants. */
const rolesOf: { readonly [op: string]: readonly (ParameterRole | undefined)[] } = {
  BatchNormalization: [undefined, 'gamma', 'beta', 'mean', 'variance'],
  LayerNormalization: [undefined, 'gamma', 'beta'],
  InstanceNormalization: [undefined, 'gamma', 'beta'],
  PRelu: [undefined, 'slope'],
};

/** @throws NetworkError for a parameter of two scopes. */
export function listParameters(graph: GraphIr, units: readonly Unit[]): readonly Parameter[] {
  const parameters = new Map<string, Parameter>();
  const add = (name: string | undefined, scope: string, role: ParameterRole): void => {
    const tensor = name === undefined ? undefined : graph.initializers.get(name);
    if (name === undefined || tensor === undefined) return;
    const known = parameters.get(name);
    if (known !== undefined && known.scope !== scope) {
      throw new NetworkError(
        `parameter "${name}" is shared by scopes "${known.scope}" and "${scope}"; a frozen scope could not keep it`,
        'Export the model with a copy of the parameter for each scope.',
      );
    }
    parameters.set(name, { name, scope, role, shape: tensor.shape });
  };
  for (const unit of units) {
    if (unit.kind === 'layer') {
      add(unit.weight, unit.scope, 'weight');
      add(unit.bias, unit.scope, 'bias');
    }
    for (const node of nodesOf(unit)) {
      for (const [index, role] of parameterRoles(node).entries())
        if (role !== undefined) add(node.inputs[index], unit.scope, role);
    }
  }
  return [...parameters.values()];
}

function parameterRoles(node: IrNode): readonly (ParameterRole | undefined)[] {
  return node.domain === '' ? (rolesOf[node.op] ?? []) : [];
}
