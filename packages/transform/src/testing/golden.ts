/** The files of `golden/`, which `golden/make.py` writes. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export function golden<T>(name: string): T {
  return JSON.parse(gunzipSync(readFileSync(new URL(`../golden/${name}.json.gz`, import.meta.url))).toString()) as T;
}
