/** Release to somewhere. */
export { type Bundle, type BundleOptions, writeBundle } from './bundle/write-bundle.ts';
