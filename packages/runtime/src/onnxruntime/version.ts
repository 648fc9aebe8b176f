/** The version of the engine, read without loading its native code. */
import { createRequire } from 'node:module';

export function onnxruntimeVersion(): string {
  const manifest = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
  return manifest.version;
}
