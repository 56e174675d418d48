// What a change at some path touches.
import { expect, test } from 'vitest';
import { SelfFeeding } from '../../src/watch/self-feeding.ts';
import { WatchedPaths } from '../../src/watch/watched-paths.ts';

const paths = new WatchedPaths({
  root: '/p',
  home: '/p/.headgate',
  sources: new Set(['/p/flows/w.json', '/elsewhere/params.json']),
  data: new Set(['/p/train.py', '/p/images', '/p/.headgate/out/w/model.onnx']),
  aliases: new Map([['/disk/images', '/p/images']]),
});

test.each([
  ['a source', '/p/flows/w.json', { sources: ['/p/flows/w.json'], data: [] }],
  ['a source outside the project', '/elsewhere/params.json', { sources: ['/elsewhere/params.json'], data: [] }],
  ['data', '/p/train.py', { sources: [], data: ['/p/train.py'] }],
  ['a file deep in a folder of data', '/p/images/a/b/1.png', { sources: [], data: ['/p/images'] }],
  ['a file behind a link to a folder of data', '/disk/images/1.png', { sources: [], data: ['/p/images'] }],
  ['a folder with a source in it', '/p/flows', { sources: ['/p/flows/w.json'], data: [] }],
  ['an editor’s temporary file', '/p/flows/.w.json.swp', { sources: [], data: [] }],
  ['a file of a similar name', '/p/images2/1.png', { sources: [], data: [] }],
  ['what a run has written', '/p/.headgate/runs/1/events.jsonl', { sources: [], data: [] }],
  ['what a run has delivered, even if a stage reads it', '/p/.headgate/out/w/model.onnx', { sources: [], data: [] }],
])('%s', (_, path, touched) => {
  expect(paths.touchedBy(path)).toEqual(touched);
});

test('only folders that lead somewhere are looked into, and never the store’s', () => {
  const wanted = ['/p', '/p/flows', '/p/images', '/p/images/a', '/disk', '/elsewhere'];
  const unwanted = ['/p/node_modules', '/p/flows/old', '/p/.headgate', '/p/.headgate/out'];
  expect([...wanted, ...unwanted].filter((path) => paths.leadsTo(path))).toEqual(wanted);
  expect([...paths.tops].sort()).toEqual(['/disk', '/elsewhere', '/p']);
});

test('a file that changes right after every restart is set aside, until a source is edited', () => {
  const guard = new SelfFeeding();
  const own = { sources: false, data: ['/p/log.txt'] };
  const newly = [1, 2, 3, 4, 5, 6].map((n) => {
    guard.restarted(n * 1000);
    return guard.judge(own, n * 1000 + 500).newly;
  });
  expect(newly).toEqual([[], [], [], [], ['/p/log.txt'], []]);
  expect(guard.judge(own, 9000).aside).toEqual(new Set(['/p/log.txt']));
  expect(guard.judge({ sources: true, data: [] }, 10_000).aside).toEqual(new Set());
});

test('a file that was set aside counts again when it is edited while no job is at work', () => {
  const guard = new SelfFeeding();
  const edit = { sources: false, data: ['/p/train.py'] };
  for (let n = 1; n <= 5; n++) {
    guard.restarted(n * 1000);
    guard.judge(edit, n * 1000 + 500);
  }
  guard.rested(6000);
  expect(guard.judge(edit, 6500).aside).toEqual(new Set(['/p/train.py']));
  expect(guard.judge(edit, 9000)).toEqual({ aside: new Set(), newly: [] });
});

test('a file that is edited often, but not at once after each restart, is none of that', () => {
  const guard = new SelfFeeding();
  for (let n = 0; n < 20; n++) {
    guard.restarted(n * 10_000);
    expect(guard.judge({ sources: false, data: ['/p/train.py'] }, n * 10_000 + 9000).newly).toEqual([]);
  }
});
