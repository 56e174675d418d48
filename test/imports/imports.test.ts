// What a text imports: statements are found where they stand, and strings and comments are not taken for them.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { javascriptImports } from '../../src/imports/javascript-imports.ts';
import { pythonImports } from '../../src/imports/python-imports.ts';

const spelled = (text: string) =>
  pythonImports(text).map(
    ({ level, module, names }) =>
      `${'.'.repeat(level)}${module.join('.')}${names.length > 0 ? `: ${names.join(' ')}` : ''}`,
  );

describe('a Python file', () => {
  test.each<[string, readonly string[]]>([
    ['import a', ['a']],
    ['import a.b as c, d', ['a.b', 'd']],
    ['from a.b import c, d as e', ['a.b: c d']],
    ['from . import x', ['.: x']],
    ['from ..p.q import (y,\n  z,  # why\n)', ['..p.q: y z']],
    ['from .m import *', ['.m']],
    ['if x: import a\ntry: from b import c\nexcept ImportError: import d', ['a', 'b: c', 'd']],
    ['    import a; import b', ['a', 'b']],
    ['from a \\\n  import b', ['a: b']],
    ['\r\nimport a\r\nimport b\r\n', ['a', 'b']],
    ['"""\nimport no\n"""\nimport a', ['a']],
    [`x = '''from no import n''' # import no\nimport a`, ['a']],
    [`s = r'\\'; import a`, []], // Python, too, takes the quote for escaped
    [`f"{x['import no']}"\nimport a`, ['a']],
    ['s = "open\nimport a', ['a']],
    ['important = 1; imports = [important]', []],
    ['yield_from = f(\n  from_ = 1)\nimport a', ['a']],
  ])('%j', (text, expected) => {
    expect(spelled(text)).toEqual(expected);
  });
});

describe('a JavaScript or TypeScript file', () => {
  test.each<[string, readonly string[]]>([
    [`import a from './a.js'; import './b'; import * as c from "../c"`, ['./a.js', './b', '../c']],
    [`import type { T } from './t'; export { x } from './x'; export * from './y'`, ['./t', './x', './y']],
    [
      `const a = require('./a'), b = require.resolve("./b"); await import('./c'); import(\`./d\`)`,
      ['./a', './b', './c', './d'],
    ],
    [`new Worker(new URL('./w.js', import.meta.url))`, ['./w.js']],
    [`// import './no'\n/* require('./no') */ import './a'`, ['./a']],
    [
      `const s = "import './no'"; const t = \`import './no' \${f(require('./a'))} import './no'\`; import './b'`,
      ['./a', './b'],
    ],
    [`const r = /['"\`]/g; import './a'`, ['./a']],
    [`x = a / b; y = c / d; import './a'`, ['./a']],
    [`if (/[/'"]/.test(x)) require('./a')`, ['./a']],
    [`import /* chunk */ './a'; import x, { y } from\n  './b' with { type: 'json' }`, ['./a', './b']],
    [`import(name); require(name + '.js'); import(\`./\${x}\`)`, []],
    [`const from = 1; call('./no'); Array.from(['./no'])`, []],
    [`if (a) /\`/.test(b); import './a'`, ['./a']], // the way is lost, and found again
    [`declare const x: Map<string, { a: 'b' }>; import './a'`, ['./a']],
  ])('%j', (text, expected) => {
    expect([...javascriptImports(text)].sort()).toEqual([...expected].sort());
  });
});

test('any text is read to its end, in a time that grows with its length', () => {
  const characters = fc.string({
    unit: fc.constantFrom(...`'"\`\\/*#\n{}()$ import from'a'`.split('')),
    maxLength: 300,
  });
  fc.assert(
    fc.property(characters, (text) => {
      pythonImports(text);
      javascriptImports(text);
    }),
    { numRuns: 500, seed: 11 },
  );
  for (const hostile of ['`${', '/*', "'", '((((', 'import ', 'from ', '/', '"\\', '#', '\\\n', "'''"]) {
    const started = performance.now();
    pythonImports(hostile.repeat(50_000));
    javascriptImports(hostile.repeat(50_000));
    expect(performance.now() - started, hostile).toBeLessThan(5000);
  }
});
