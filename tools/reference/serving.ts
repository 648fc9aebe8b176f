/** docs/reference/serving-config.md: every key of a serving configuration, from the schema that validates it. */
import { servingJsonSchema } from '@slipway/core/schemas';
import { rows, type Schema } from './config.ts';

export function servingReference(): string {
  const model = (servingJsonSchema() as Schema).properties?.['models']?.additionalProperties;
  if (typeof model !== 'object') throw new Error('the schema of a model is not where it was');
  return `# Serving configuration

A JSON file that says what a server serves, and what each model is served with: \`slipway serve --serve-config FILE\`. Relative paths
are relative to the file. Unknown keys are errors. The file is read again when it changes; one that is wrong anywhere changes
nothing.

\`\`\`json
{
  "defaults": { "batching": { "latencyBudgetMs": 20 } },
  "models": {
    "resnet": {
      "path": "models/resnet",
      "versionPolicy": { "latest": 2 },
      "labels": { "stable": 3 },
      "batching": { "maxBatchSize": 32 },
      "pinned": true
    },
    "sentiment": { "path": "s3://models/sentiment", "instances": 2 }
  }
}
\`\`\`

## Keys

\`models\` has a member for each model: its name is what clients call it. \`defaults\` has the same keys except \`path\`, for every model
that does not have them.

| key | type | |
| --- | --- | --- |
${rows(model, '').join('\n')}
`;
}
