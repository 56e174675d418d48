// Snakemake: one rule whose input is looked up by name; Debian's version and the newest.
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFiles } from '../workload.mjs';
import { aptTool, pipTool } from './install.mjs';

const snakefile = ({ reads, writes }) => `import json

with open('stages.json') as file:
    STAGES = {stage['name']: stage for stage in json.load(file)}

def before(wildcards):
    needs = STAGES[wildcards.name]['needs']
    return f'out/{needs}.txt' if needs else '${reads}'

rule all:
    input: [f'out/{name}.txt' for name in STAGES]

rule stage:
    input: before
    output: ${writes === null ? "touch('out/{name}.txt')" : "'out/{name}.txt'"}
    shell: ${writes === null ? "'true'" : `'read first rest < {input}; echo "$first {wildcards.name}" > {output}'`}
`;

const shared = {
  choice: 'one rule for all stages, input by a function; `true` stages have a touch() output, because a rule needs one',
  write: (folder, stages) =>
    writeFiles(folder, {
      Snakefile: snakefile(stages[0]),
      'stages.json': stages,
    }),
  argv: ({ bin, jobs }) => [bin, '--cores', String(jobs ?? 2), '--nolock'],
  // Its state is the outputs and their times.
  forget(folder) {
    rmSync(join(folder, '.snakemake'), { recursive: true, force: true });
    rmSync(join(folder, 'out'), { recursive: true, force: true });
    mkdirSync(join(folder, 'out'));
  },
};

export const snakemake = { name: 'Snakemake', ...pipTool('snakemake', '9.27.1'), ...shared };
export const debianSnakemake = { name: "Snakemake (Debian's)", ...aptTool('snakemake'), ...shared };
