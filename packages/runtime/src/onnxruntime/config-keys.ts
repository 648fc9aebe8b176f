/**
 * The session configuration entries of ONNX Runtime that a model may be served with (onnxruntime_session_options_config_keys.h).
 * ONNX Runtime takes any key and ignores what it does not know, so a misspelt one would be silently without effect; and some
 * of its entries name files to write, which whoever may load a model must not. So only these are taken.
 */
import { fail, suggest } from '@slipway/core';

export const CONFIG_KEYS: readonly string[] = [
  'mlas.disable_kleidiai',
  'mlas.use_lut_gemm',
  'optimization.disable_specified_optimizers',
  'optimization.enable_cast_chain_elimination',
  'optimization.enable_gelu_approximation',
  'session.allow_released_opsets_only',
  'session.disable_aot_function_inlining',
  'session.disable_double_qdq_remover',
  'session.disable_prepacking',
  'session.disable_qdq_constant_folding',
  'session.disable_quant_qdq',
  'session.dynamic_block_base',
  'session.enable_dq_matmulnbits_fusion',
  'session.enable_quant_qdq_cleanup',
  'session.graph_optimizations_loop_level',
  'session.inter_op.allow_spinning',
  'session.inter_op.spin_backoff_max',
  'session.intra_op.allow_spinning',
  'session.intra_op.spin_backoff_max',
  'session.intra_op_thread_affinities',
  'session.qdq_matmulnbits_accuracy_level',
  'session.qdq_matmulnbits_block_size',
  'session.qdqisint8allowed',
  'session.set_denormal_as_zero',
  'session.strict_shape_type_inference',
  'session.use_device_allocator_for_initializers',
];

/** @throws SESSION_INVALID */
export function checkConfig(config: Readonly<Record<string, string>>, model: string): void {
  for (const key of Object.keys(config)) {
    if (CONFIG_KEYS.includes(key)) continue;
    const hint = suggest(key, CONFIG_KEYS) || '; docs/guides/scheduling.md lists those that are';
    throw fail('SESSION_INVALID', { model, problem: `the session option "${key}" is not one that can be set${hint}` });
  }
}
