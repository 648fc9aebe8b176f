/** The files of `golden/`, which `golden/make.py` writes. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export function golden(name: 'images' | 'text'): unknown {
  return JSON.parse(gunzipSync(readFileSync(new URL(`../golden/${name}.json.gz`, import.meta.url))).toString());
}
