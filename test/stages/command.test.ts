// What a `command` stage declares: outputs of every type that its schema lists, arguments that are numbers.
import { describe, expect, it } from 'vitest';
import { commandLine } from '../../src/execute/command-job.ts';
import schema from '../../schemas/stages/command.schema.json' with { type: 'json' };
import { context, kind } from './contexts.ts';

const types = schema.properties.outputs.additionalProperties.properties.type.enum;

describe('a command', () => {
  it.each(types)('has an output of type %s where it declares one', (type) => {
    const settings = { argv: ['x'], outputs: { o: { type, path: 'o' } } };
    expect(kind('command').ports(context(settings)).outputs).toMatchObject([{ name: 'o', type: { artifact: type } }]);
  });

  it('is given numbers as they stand in JSON', () => {
    const line = commandLine({ argv: ['train', '--lr', 0.001, 3] }, { root: '/', outFolder: '/out', inputs: {} });
    expect(line).toMatchObject({ ok: true, value: { argv: ['train', '--lr', '0.001', '3'] } });
  });

  it('has the place of a wrong placeholder told behind a number', () => {
    const found = kind('command').check?.(context({ argv: ['x', 1, '{input:none}'] }));
    expect(found).toMatchObject([{ path: ['argv', 2] }]);
  });
});
