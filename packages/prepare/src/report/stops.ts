/** What stopped a trial of a search, for every form of the report. */
import type { Trial, TrialEnd } from '@slipway/core';

/** What stopped a trial, in the order in which trials are stopped. */
export const STOPS: readonly { readonly key: TrialEnd | 'same' | 'error'; readonly label: string }[] = [
  { key: 'error', label: 'could not be made or run' },
  { key: 'passes', label: 'stopped at the passes' },
  { key: 'same', label: 'gave the model of another trial' },
  { key: 'size', label: 'broke a gate on size' },
  { key: 'rows', label: 'broke a gate on the metric, seen on some rows' },
  { key: 'evaluation', label: 'broke a gate on the metric, or on parity' },
  { key: 'latency', label: 'broke a gate on latency or memory' },
  { key: 'done', label: 'held the gates' },
];

/** What a trial came to, as one of the stops. */
export const stopOf = ({ outcome, end }: Trial): TrialEnd | 'same' | 'error' =>
  outcome === 'same' || outcome === 'error' ? outcome : end;
