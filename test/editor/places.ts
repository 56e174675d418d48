// Small workflows for the editor tests: one stage, the cursor where `|` stands.

export const path = 'workflows/an-example.json';

export function withStage(stage: string, more = ''): string {
  return `{ "$schema": "../schemas/workflow.schema.json", "name": "example", ${more} "stages": { "a": ${stage} } }`;
}
