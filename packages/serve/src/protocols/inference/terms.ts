/** The request parameters that say how a request is to be scheduled, in JSON and in protobuf the same. */
import { readPriority, type Terms } from '../../schedule/terms.ts';

/**
 * @param timeout microseconds it may wait to be executed, as Triton has it; 0 and absent: no limit of its own
 * @throws REQUEST_MALFORMED
 */
export function parameterTerms(timeout: unknown, priority: unknown): Terms {
  const microseconds = Number(timeout ?? 0);
  return {
    timeoutMs: null,
    queueTimeoutMs: microseconds > 0 ? microseconds / 1000 : null,
    ...(priority === undefined ? {} : { priority: readPriority(priority, 'the parameter "priority"') }),
  };
}
