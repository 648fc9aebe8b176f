/** Raw input to tensors, tensors to an answer. */
export { compileTransforms, type TransformProgram } from './program.ts';
