import { describe, expect, it } from 'vitest';
import { errorAt } from '../../src/diagnostics/diagnostic.ts';
import { renderDiagnostic } from '../../src/diagnostics/render.ts';
import { sourceDocument } from '../../src/diagnostics/source.ts';

function render(text: string, offset: number, length: number, help?: string): readonly string[] {
  const at = { source: sourceDocument('w.json', text), offset, length };
  return renderDiagnostic(errorAt('HG1104', at, { message: 'no', help })).split('\n');
}

describe('a rendered diagnostic', () => {
  it('underlines the characters in question', () => {
    expect(render('{\n  "a": "calibarte.x"\n}', 10, 9, 'try again')).toEqual([
      'w.json:2:9 HG1104 no',
      '    "a": "calibarte.x"',
      '          ~~~~~~~~~',
      '  help: try again',
      '',
    ]);
  });

  it('keeps tabs, so that the underline stands where the text does', () => {
    const [, line, squiggle] = render('{ "a":\t1, "b": x }', 15, 1);
    expect(line).toBe('    { "a":\t1, "b": x }');
    expect(squiggle).toBe('          \t        ~');
  });

  it('shows no empty frame where a file breaks off', () => {
    expect(render('{\n  "a": {\n', 11, 1, 'close it')).toEqual(['w.json:3:1 HG1104 no', '  help: close it', '']);
  });

  it('ends the underline with the line', () => {
    expect(render('{ "a":\n 1 }', 2, 8)[2]).toBe('      ~~~~');
  });

  it('cuts a long line around the problem', () => {
    const [, line, squiggle] = render(`${'x'.repeat(400)}HERE${'y'.repeat(400)}`, 400, 4);
    expect(line?.length).toBeLessThan(125);
    expect(line?.slice(squiggle?.indexOf('~'), (squiggle?.lastIndexOf('~') ?? 0) + 1)).toBe('HERE');
  });

  it('counts lines that end with CR LF', () => {
    expect(render('{\r\n  "a"\r\n}', 5, 3).slice(0, 3)).toEqual(['w.json:2:3 HG1104 no', '    "a"', '    ~~~']);
  });

  it('uses the colours it is given and none of its own', () => {
    const at = { source: sourceDocument('w.json', 'x'), offset: 0, length: 1 };
    const mark = (text: string): string => `<${text}>`;
    const painter = { place: mark, code: mark, squiggle: mark, help: mark };
    expect(renderDiagnostic(errorAt('HG1104', at, { message: 'no', help: 'h' }), painter)).toBe(
      '<w.json:1:1> <HG1104> no\n    x\n    <~>\n  <help:> h\n',
    );
  });
});
