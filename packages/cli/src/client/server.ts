/** A Slipway server as a client sees it, over fetch: what it serves, and answers. Errors of the server arrive as ours. */
import {
  type ErrorCode,
  errorTable,
  fail,
  type Signature,
  SlipwayError,
  type TensorSpec,
  type Tensors,
} from '@slipway/core';
import { decodeBinary, dtypeOf, encodeBinary } from './oip.ts';

export const DEFAULT_URL = 'http://127.0.0.1:8501';
export const DEFAULT_ADMIN_URL = 'http://127.0.0.1:8502';

export interface ServedModel {
  readonly name: string;
  readonly versions: readonly string[];
  readonly signature: Signature;
}

interface WireSpec {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** True when something answers the liveness question there, quickly. */
export async function isReachable(url: string, timeoutMs = 500): Promise<boolean> {
  try {
    return (await fetch(new URL('/v2/health/live', url), { signal: AbortSignal.timeout(timeoutMs) })).ok;
  } catch {
    return false;
  }
}

/** True when a server there answers, and has that model. */
export async function serves(url: string, model: string, signal: AbortSignal): Promise<boolean> {
  if (!(await isReachable(url))) return false;
  return describeModel(url, model, signal).then(
    () => true,
    () => false,
  );
}

/** @throws MODEL_NOT_FOUND, UNREACHABLE */
export async function describeModel(url: string, model: string, signal: AbortSignal): Promise<ServedModel> {
  const response = await reach(url, `/v2/models/${encodeURIComponent(model)}`, { signal });
  const body = (await response.json()) as {
    name: string;
    versions?: string[];
    inputs: WireSpec[];
    outputs: WireSpec[];
  };
  const spec = (wire: WireSpec): TensorSpec => ({
    name: wire.name,
    dtype: dtypeOf(wire.datatype),
    // The protocol writes every free dimension as -1; only axis 0 is known to be the batch.
    shape: wire.shape.map((size, axis) => (size >= 0 ? size : axis === 0 ? 'batch' : '?')),
  });
  const signature = { inputs: body.inputs.map(spec), outputs: body.outputs.map(spec) };
  return { name: body.name, versions: body.versions ?? [], signature };
}

export async function infer(url: string, model: string, inputs: Tensors, signal: AbortSignal): Promise<Tensors> {
  const { headers, body } = encodeBinary(inputs);
  const path = `/v2/models/${encodeURIComponent(model)}/infer`;
  const response = await reach(url, path, {
    method: 'POST',
    headers: { ...headers },
    body: new Uint8Array(body),
    signal,
  });
  return decodeBinary(
    response.headers.get('inference-header-content-length'),
    Buffer.from(await response.arrayBuffer()),
  );
}

async function reach(base: string, path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(new URL(path, base), init);
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw fail('UNREACHABLE', { url: base, problem: reasonOf(error) }, { cause: error });
  }
  if (response.ok) return response;
  throw fromAnswer(base, response.status, await response.text());
}

/** Our servers name the code of the error and what happened; of others only the text is known. */
function fromAnswer(url: string, status: number, body: string): SlipwayError {
  let said: { error?: unknown; code?: unknown };
  try {
    said = JSON.parse(body) as typeof said;
  } catch (cause) {
    return fail('UNREACHABLE', { url, problem: `it answered ${status} without a reason` }, { cause });
  }
  const message = typeof said.error === 'string' ? said.error : `the server answered ${status}`;
  if (typeof said.code !== 'string' || !(said.code in errorTable)) {
    return fail('REQUEST_MALFORMED', { problem: message });
  }
  const error = new SlipwayError(said.code as ErrorCode, {});
  error.message = message;
  return error;
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
  if (code === 'ECONNREFUSED') return 'nothing listens there';
  return cause instanceof Error && cause.message !== '' ? cause.message : code;
}
