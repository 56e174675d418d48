// doit: a generator task with one subtask per stage, as its manual writes such graphs.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFiles } from '../workload.mjs';
import { pipTool } from './install.mjs';

const DODO = `import json

DOIT_CONFIG = {'verbosity': 0}

def task_stage():
    with open('stages.json') as file:
        stages = json.load(file)
    for stage in stages:
        yield {
            'name': stage['name'],
            'actions': [stage['shell']],
            'file_dep': [stage['reads']],
            'targets': [stage['writes']] if stage['writes'] else [],
            'task_dep': ['stage:' + stage['needs']] if stage['needs'] else [],
        }
`;

export const doit = {
  name: 'doit',
  ...pipTool('doit', '0.37.0'),
  choice: 'one generator task, a subtask per stage; default database',
  write: (folder, stages) => writeFiles(folder, { 'dodo.py': DODO, 'stages.json': stages }),
  argv: ({ bin, jobs }) => (jobs > 1 ? [bin, 'run', '-n', String(jobs)] : [bin, 'run']),
  forget(folder) {
    for (const file of readdirSync(folder)) if (file.startsWith('.doit.db')) rmSync(join(folder, file));
  },
};
