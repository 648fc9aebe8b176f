/**
 * What a tensor says about where its elements are. The text of a model is not trusted: keys the format does not define,
 * keys given twice, and numbers that are not plain decimal digits are refused, because other readers have been
 * attacked through each of them. Whether the location is acceptable is `files.ts`' business.
 */
import { fail } from '@slipway/core';
import type { TensorProto } from '../generated/onnx_pb.ts';
import type { ExternalData } from '../ir/initializer.ts';

const KEYS: readonly string[] = ['location', 'offset', 'length', 'checksum'];

/** @throws EXTERNAL_DATA */
export function parseExternalData(proto: TensorProto, directory: string | null): ExternalData {
  const refuse = (problem: string): Error => fail('EXTERNAL_DATA', { path: 'model', tensor: proto.name, problem });
  const entries = new Map<string, string>();
  for (const { key, value } of proto.externalData) {
    if (!KEYS.includes(key)) {
      throw refuse(`has the key "${key}"; location, offset, length and checksum are all that is understood`);
    }
    if (entries.has(key)) throw refuse(`has the key "${key}" twice`);
    entries.set(key, value);
  }
  const number = (key: 'offset' | 'length'): number | null => {
    const text = entries.get(key);
    if (text === undefined) return null;
    const value = /^[0-9]{1,16}$/.test(text) ? Number(text) : NaN;
    if (!Number.isSafeInteger(value)) throw refuse(`has the ${key} "${text}", which is not a number of bytes`);
    return value;
  };
  const location = entries.get('location');
  if (location === undefined || location === '') throw refuse('does not name a file');
  return {
    kind: 'external',
    location,
    offset: number('offset') ?? 0,
    length: number('length'),
    checksum: entries.get('checksum') ?? null,
    directory,
  };
}
