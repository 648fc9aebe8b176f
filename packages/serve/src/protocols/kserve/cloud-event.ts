/**
 * CloudEvents on `:predict`, as KServe takes them (https://github.com/cloudevents/spec, HTTP binding). A request is an event in
 * one of two ways, and its answer is one in the same way:
 *
 * - binary: the attributes are headers (`ce-specversion`, `ce-id`, `ce-source`, `ce-type`), the body is the data;
 * - structured: the Content-Type is `application/cloudevents+json`, and the body an object with the attributes and `data`, or
 *   `data_base64` when the sender kept it as bytes.
 *
 * The data is the request that would be sent without an event. An answer has an id and time of its own, and says as KServe
 * does where it comes from. Errors are plain answers.
 */
import { fail, type SlipwayError } from '@slipway/core';
import { randomUUID } from 'node:crypto';
import type { Exchange } from '../../http/exchange.ts';
import { isObject, JsonParser, type JsonValue } from '../../json/parse.ts';
import type { Codec, Reply } from '../gateway.ts';

type Mode = 'binary' | 'structured';

const STRUCTURED = 'application/cloudevents+json';
const RESPONSE_TYPE = 'io.kserve.inference.response';
const REQUIRED = ['specversion', 'id', 'source', 'type'] as const;
const VERSIONS: ReadonlySet<unknown> = new Set(['1.0', '0.3']);

/** null when the request is not an event. @throws REQUEST_MALFORMED for a binary event that lacks an attribute */
export function eventMode(exchange: Exchange): Mode | null {
  const version = exchange.header('ce-specversion');
  if (version !== undefined) {
    checkAttributes((name) => exchange.header(`ce-${name}`));
    return 'binary';
  }
  const type = exchange.header('content-type');
  if (type === undefined || type === 'application/json') return null;
  if (type.split(';', 1)[0]?.trim().toLowerCase() === STRUCTURED) return 'structured';
  // Somebody who writes the headers of an event means one.
  if (exchange.header('ce-id') !== undefined) throw malformed('the header ce-specversion is missing');
  return null;
}

/** `codec` for a request that is an event. @param wall milliseconds since 1970 */
export function inEvent(codec: Codec, mode: Mode, wall: () => number): Codec {
  return {
    ...codec,
    decode(version, value, bytes) {
      if (mode === 'binary') return codec.decode(version, value, bytes);
      const data = dataOf(value, bytes);
      return codec.decode(version, data.value, data.bytes);
    },
    encode(version, outputs) {
      const attributes = {
        specversion: '1.0',
        id: randomUUID(),
        source: `io.kserve.inference.${version.model}`,
        type: RESPONSE_TYPE,
        time: new Date(wall()).toISOString(),
      };
      return answer(attributes, codec.encode(version, outputs), mode);
    },
  };
}

function answer(attributes: Readonly<Record<string, string>>, reply: Reply, mode: Mode): Reply {
  if (mode === 'binary') {
    const headers = Object.entries(attributes).flatMap(([name, value]) => [`ce-${name}`, value]);
    return { ...reply, headers: [...(reply.headers ?? []), ...headers] };
  }
  const head = JSON.stringify({ ...attributes, datacontenttype: reply.contentType }).slice(0, -1);
  const body = Buffer.concat([Buffer.from(`${head},"data":`), reply.body, Buffer.from('}')]);
  return { ...reply, contentType: STRUCTURED, body };
}

function dataOf(event: JsonValue, bytes: Buffer): { readonly value: JsonValue; readonly bytes: Buffer } {
  if (!isObject(event)) throw malformed('a structured event is a JSON object');
  checkAttributes((name) => event[name]);
  const { data, data_base64: encoded } = event;
  if (data !== undefined) return { value: data, bytes };
  if (typeof encoded !== 'string') throw malformed('it has no data');
  const decoded = Buffer.from(encoded, 'base64');
  return { value: new JsonParser({ nonFinite: true }).parse(decoded), bytes: decoded };
}

function checkAttributes(get: (name: string) => unknown): void {
  for (const name of REQUIRED) {
    const value = get(name);
    if (typeof value !== 'string' || value === '') throw malformed(`the attribute "${name}" is missing`);
  }
  if (!VERSIONS.has(get('specversion'))) throw malformed('the specversion is not 1.0');
}

const malformed = (problem: string): SlipwayError => fail('REQUEST_MALFORMED', { problem: `CloudEvent: ${problem}` });
