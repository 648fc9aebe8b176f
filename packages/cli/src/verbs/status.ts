import { EXIT } from '@slipway/core';
import { DEFAULT_ADMIN_URL } from '../client/server.ts';
import { defineVerb, text, type Verb, withDefault } from '../frame/declare.ts';
import { renderStatus } from '../render/status.ts';

export const status: Verb = defineVerb({
  name: 'status',
  group: 'Ship and operate it',
  summary: 'show what a running server serves',
  description:
    'Asks a server for its models, their state, requests, queues, restarts and memory. Exit code 1 when it answers that it is not ready.',
  arguments: {},
  options: { adminUrl: withDefault(text('url', 'The admin address of the server.'), DEFAULT_ADMIN_URL) },
  examples: [
    { command: 'slipway status', description: 'the server on this machine' },
    { command: "slipway status --json | jq '.models[].versions[].state'", description: 'states for a script' },
  ],
  async run(context, given) {
    const { fetchStatus } = await import('@slipway/operate');
    const found = await fetchStatus(given.adminUrl);
    context.result(found, (style) => renderStatus(found, given.adminUrl, style));
    return found.ready ? EXIT.ok : EXIT.error;
  },
});
