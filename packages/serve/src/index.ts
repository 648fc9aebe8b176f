/** Release to answers: the model server. */
export type { BatchingOptions, ModelSource, ServeOptions } from './options.ts';
export { findModels, platformOf } from './platform.ts';
export { type Address, type RunningServer, startServer } from './server.ts';
export type { TlsFiles } from './tls.ts';
export { OUTCOMES, type Outcome } from './telemetry/stats.ts';
