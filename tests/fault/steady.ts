/** Load at a steady rate, open loop: a request is sent when its time has come, whether or not earlier ones were answered. */
import { Agent, request } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly sentAt: number;
  readonly ms: number;
}

export interface Load {
  readonly url: string;
  readonly body: string;
  readonly perSecond: number;
  readonly total: number;
}

/** @param onSent called with the number sent so far */
export async function steadyLoad(
  { url, body, perSecond, total }: Load,
  onSent: (sent: number) => void,
): Promise<Answer[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const answers: Promise<Answer>[] = [];
  const started = performance.now();
  while (answers.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * perSecond));
    while (answers.length < due) {
      answers.push(ask(agent, url, body));
      onSent(answers.length);
    }
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const all = await Promise.all(answers);
  agent.destroy();
  return all;
}

/** An answer of status 0 is a connection that failed. */
function ask(agent: Agent, url: string, body: string): Promise<Answer> {
  const sentAt = performance.now();
  return new Promise((resolve) => {
    const finish = (status: number, text: string): void =>
      resolve({ status, body: text, sentAt, ms: performance.now() - sentAt });
    const outgoing = request(
      url,
      { method: 'POST', agent, headers: { 'Content-Length': Buffer.byteLength(body) } },
      (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => (text += chunk));
        response.on('end', () => finish(response.statusCode ?? 0, text));
      },
    );
    outgoing.on('error', (error) => finish(0, error.message));
    outgoing.end(body);
  });
}
