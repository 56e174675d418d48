import { describe, expect, it } from 'vitest';
import { renderDiagnostics } from '../../src/diagnostics/render.ts';
import { locate } from '../../src/diagnostics/located-json.ts';
import { sourceDocument } from '../../src/diagnostics/source.ts';
import { mergeParams } from '../../src/plan/params.ts';
import type { Diagnostic } from '../../src/diagnostics/diagnostic.ts';
import type { Json } from '../../src/support/json.ts';

const at = { source: sourceDocument('w.json', '{}'), offset: 0, length: 2 };
const defaults = {
  profile: 'w8a8',
  seed: 0,
  folder: null,
  classes: ['a', 'b'],
  observer: { kind: 'min-max' },
  camera: { name: 'front' },
  table: { rows: {} },
  heads: {
    detection: { qat: { epochs: 1, learningRate: 0.1 } },
    segmentation: { qat: { epochs: 2, learningRate: 0.2 } },
  },
};

function merge(files: readonly Json[], set: readonly string[]): { readonly values: Json; readonly problems: string } {
  const problems: Diagnostic[] = [];
  const { values } = mergeParams(
    locate(defaults, at),
    files.map((file) => locate(file, at)),
    set,
    problems,
  );
  return { values, problems: renderDiagnostics(problems) };
}

describe('parameters', () => {
  it('keep their defaults where nothing is set', () => {
    expect(merge([], [])).toEqual({ values: defaults, problems: '' });
  });

  it('are overridden by a params file and then by --set, one path at a time', () => {
    const { values, problems } = merge(
      [{ heads: { detection: { qat: { epochs: 5, learningRate: 0.5 } } } }],
      ['heads.detection.qat.epochs=7', 'profile=w4a4'],
    );
    expect(problems).toBe('');
    expect(values).toEqual({
      ...defaults,
      profile: 'w4a4',
      heads: { ...defaults.heads, detection: { qat: { epochs: 7, learningRate: 0.5 } } },
    });
  });

  it('read a value that is not JSON as a string', () => {
    expect(merge([], ['profile=w4 a4']).values).toMatchObject({ profile: 'w4 a4' });
  });

  it.each(['2', '0.60', '1e3', 'true'])('read %s as text where a string is declared', (text) => {
    expect(merge([], [`profile=${text}`])).toMatchObject({ values: { profile: text }, problems: '' });
  });

  it.each([
    ['profile={"a":1}', 'parameter "profile" is a string; it cannot become an object'],
    ['profile=null', 'parameter "profile" is a string; it cannot become null'],
    ['camera={"name":2}', 'parameter "camera.name" is a string; it cannot become a number'],
  ])('do not read %s as text', (text, problem) => {
    expect(merge([], [text]).problems).toContain(problem);
  });

  it('refuse a number of a params file where a string is declared', () => {
    expect(merge([{ profile: 2 }], []).problems).toContain('it cannot become a number');
  });

  it('take anything where the default is null', () => {
    expect(merge([], ['folder=/data']).values).toMatchObject({ folder: '/data' });
  });

  it('replace lists, and objects of another kind, whole', () => {
    const { values, problems } = merge([], ['classes=["c"]', 'observer={"kind":"percentile","percentile":99}']);
    expect(problems).toBe('');
    expect(values).toMatchObject({ classes: ['c'], observer: { kind: 'percentile', percentile: 99 } });
  });

  it('take any key where the default is an empty object', () => {
    expect(merge([], ['table.rows.x=1']).values).toMatchObject({ table: { rows: { x: 1 } } });
  });

  it('refuse a path that does not exist and suggest the nearest one', () => {
    expect(merge([], ['heads.detecton.qat.epochs=7']).problems).toBe(
      [
        '--set:1:1 HG1201 parameter "heads.detecton.qat.epochs" does not exist',
        '    heads.detecton.qat.epochs=7',
        '    ~~~~~~~~~~~~~~~~~~~~~~~~~',
        '  help: did you mean "heads.detection.qat.epochs"?',
        '',
      ].join('\n'),
    );
  });

  it('refuse another type than the default has', () => {
    expect(merge([], ['seed=one']).problems).toContain('parameter "seed" is a number; it cannot become a string');
    expect(merge([], ['heads.detection=1']).problems).toContain('is an object; it cannot become a number');
  });

  it.each(['profile', '=1', 'a..b=1', ''])('refuse %j, which is no path=value', (text) => {
    expect(merge([], [text]).problems).toContain('HG1203');
  });

  it.each([
    ['seed=1e999', 'HG1011'],
    [`classes=${'['.repeat(100_000)}`, 'HG1009'],
    ['heads={"__proto__":{}}', 'HG1010'],
    [`${'a.'.repeat(100_000)}a=1`, 'HG1203'],
  ])('refuse what no workflow could hold (%#)', (text, code) => {
    expect(merge([], [text]).problems).toContain(code);
  });

  it('never reach a prototype', () => {
    expect(merge([], ['__proto__.polluted=1']).problems).toContain('HG1010');
    expect(merge([], ['heads.constructor=1']).problems).toContain('HG1010');
    expect(merge([], ['toString=1']).problems).toContain('HG1201');
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});
