/** Asks a running server what it says of itself. */
import { fail, type ServerStatus } from '@slipway/core';

const TIMEOUT_MS = 5000;

/**
 * @param adminUrl for example http://127.0.0.1:8502
 * @throws UNREACHABLE when nothing answers there, or something that is not a Slipway server
 */
export async function fetchStatus(adminUrl: string): Promise<ServerStatus> {
  const unreachable = (problem: string, cause?: unknown): Error =>
    fail('UNREACHABLE', { url: adminUrl, problem }, { cause });
  let answer: unknown;
  try {
    const response = await fetch(new URL('/status', adminUrl), { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) throw unreachable(`it answered ${response.status} to GET /status: is that the admin address?`);
    answer = await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw unreachable('what it answered is not JSON: is that the admin address?', error);
    }
    if (error instanceof TypeError || error instanceof DOMException) throw unreachable(reasonOf(error), error);
    throw error;
  }
  if (!isStatus(answer)) throw unreachable('what answers there is not a Slipway server', answer);
  return answer;
}

function isStatus(value: unknown): value is ServerStatus {
  return (
    typeof value === 'object' &&
    value !== null &&
    'name' in value &&
    value.name === 'slipway' &&
    'models' in value &&
    Array.isArray(value.models)
  );
}

function reasonOf(error: Error): string {
  if (error.name === 'TimeoutError') return `no answer within ${TIMEOUT_MS / 1000} s`;
  const cause = error.cause;
  if (typeof cause === 'object' && cause !== null && 'code' in cause) {
    return cause.code === 'ECONNREFUSED' ? 'nothing listens there' : String(cause.code);
  }
  return cause instanceof Error ? cause.message : error.message;
}
