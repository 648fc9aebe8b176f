/**
 * Parameters: named values beside a request, an input or an output. REST carries them as JSON, gRPC as InferParameter; here both
 * are one map, so that the rules are written once. Some names are reserved
 * (https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_parameters.md); what a client adds of
 * its own is meant for the model, which has no place for it, and is left aside.
 */
import { fail, type Signature, type SlipwayError } from '@slipway/core';
import { isObject, type JsonValue } from '../../json/parse.ts';
import { readPriority, type Terms } from '../../schedule/terms.ts';

export type Parameters = ReadonlyMap<string, boolean | number | string>;

/** What a request says of itself. */
interface RequestParameters extends Terms {
  /** Outputs are raw bytes unless they say otherwise. */
  readonly binaryOutput: boolean;
}

/** Part of a registered shared memory region. */
export interface RegionPart {
  readonly region: string;
  readonly offset: number;
  readonly byteSize: number;
}

export interface RequestedOutput {
  readonly name: string;
  /** As raw bytes; for REST, where JSON is the other way. */
  readonly binary: boolean;
  /** This many of the highest elements, as text; 0: the tensor itself. */
  readonly classes: number;
  /** Where the tensor goes instead of the answer. */
  readonly memory: RegionPart | null;
}

/** The `triton_` names that a request may carry. */
const TRITON_NAMES: ReadonlySet<string> = new Set(['triton_enable_empty_final_response', 'triton_final_response']);

const NONE: Parameters = new Map();
const NOTHING_SAID: RequestParameters = { timeoutMs: null, binaryOutput: false };

/** @throws REQUEST_MALFORMED */
export function jsonParameters(value: JsonValue | undefined, where: string): Parameters {
  if (value === undefined) return NONE;
  if (!isObject(value)) throw malformed(`${where}: "parameters" must be an object`);
  const parameters = new Map<string, boolean | number | string>();
  for (const [name, given] of Object.entries(value)) {
    if (typeof given === 'bigint') parameters.set(name, Number(given));
    else if (typeof given === 'boolean' || typeof given === 'number' || typeof given === 'string') {
      parameters.set(name, given);
    } else throw malformed(`${where}: the parameter ${shown(name)} must be a boolean, a number or a string`);
  }
  return parameters;
}

/** @throws REQUEST_MALFORMED */
export function readRequestParameters(parameters: Parameters): RequestParameters {
  if (parameters.size === 0) return NOTHING_SAID;
  for (const name of parameters.keys()) {
    if (name.startsWith('triton_') && !TRITON_NAMES.has(name)) {
      const known = [...TRITON_NAMES].join(', ');
      throw malformed(
        `the parameter ${shown(name)} is not known; names that begin with triton_ are reserved (${known})`,
      );
    }
  }
  // Every request stands alone here, so that which sequence it is said to belong to changes nothing.
  const sequence = parameters.get('sequence_id');
  if (sequence !== undefined && typeof sequence !== 'string') whole(parameters, 'sequence_id');
  flag(parameters, 'sequence_start');
  flag(parameters, 'sequence_end');
  flag(parameters, 'triton_enable_empty_final_response');
  // How long it may wait to be executed, microseconds; 0 is no limit of its own.
  const timeout = whole(parameters, 'timeout') ?? 0;
  const priority = parameters.get('priority');
  return {
    timeoutMs: null,
    queueTimeoutMs: timeout > 0 ? timeout / 1000 : null,
    ...(priority === undefined ? {} : { priority: readPriority(priority, 'the parameter "priority"') }),
    binaryOutput: flag(parameters, 'binary_data_output') ?? false,
  };
}

/** @throws REQUEST_MALFORMED */
export function regionPart(parameters: Parameters, where: string): RegionPart | null {
  const region = parameters.get('shared_memory_region');
  const byteSize = whole(parameters, 'shared_memory_byte_size');
  if (region === undefined && byteSize === null) return null;
  if (region === undefined || byteSize === null) {
    throw malformed(`${where}: shared_memory_region and shared_memory_byte_size need each other`);
  }
  if (typeof region !== 'string') throw malformed(`${where}: shared_memory_region must be a string`);
  return { region, offset: whole(parameters, 'shared_memory_offset') ?? 0, byteSize };
}

/**
 * @param requested what the client asks for; none means everything
 * @throws REQUEST_MALFORMED, TENSOR_INVALID
 */
export function requestedOutputs(
  requested: readonly { readonly name: string; readonly parameters: Parameters }[],
  binaryByDefault: boolean,
  signature: Signature,
): readonly RequestedOutput[] {
  if (requested.length === 0) {
    return signature.outputs.map(({ name }) => ({ name, binary: binaryByDefault, classes: 0, memory: null }));
  }
  const outputs = new Map<string, RequestedOutput>();
  for (const { name, parameters } of requested) {
    const where = `output "${name.slice(0, 100)}"`;
    if (outputs.has(name)) throw malformed(`${where} is requested twice`);
    if (!signature.outputs.some((spec) => spec.name === name)) {
      const known = signature.outputs.map((spec) => `"${spec.name}"`).join(', ');
      throw fail('TENSOR_INVALID', { where, problem: `the model has no such output; it gives ${known}` });
    }
    const memory = regionPart(parameters, where);
    const classes = whole(parameters, 'classification') ?? 0;
    if (memory !== null && classes > 0) {
      throw malformed(`${where}: a classification goes into the answer, not into shared memory`);
    }
    const binary = flag(parameters, 'binary_data') ?? binaryByDefault;
    outputs.set(name, { name, binary, classes, memory });
  }
  return [...outputs.values()];
}

export function whole(parameters: Parameters, name: string): number | null {
  const value = parameters.get(name);
  if (value === undefined) return null;
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw malformed(`the parameter ${name} must be a whole number of at least 0`);
}

function flag(parameters: Parameters, name: string): boolean | null {
  const value = parameters.get(name);
  if (value === undefined || typeof value === 'boolean') return value ?? null;
  throw malformed(`the parameter ${name} must be true or false`);
}

const shown = (name: string): string => `"${name.slice(0, 100)}"`;
const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem });
