/** Raw input to tensors, tensors to an answer. */
export { type PooledProgram, type PoolOptions, TransformPool } from './pool/pool.ts';
export { compileTransforms, type TransformProgram } from './program.ts';
export { checkedSignature, compileOutputs } from './program.ts';
export { consumedInputs, type Declared } from './signature.ts';
