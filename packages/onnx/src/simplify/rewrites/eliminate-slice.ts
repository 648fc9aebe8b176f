/** A Slice that takes everything goes. */
import { isFixed } from '../../ir/type.ts';
import { rangeOf } from '../evaluate/layout.ts';
import { bypassing, type Rewrite } from '../rewrite.ts';
import { constantCuts } from './slices.ts';

/** Exporters write "to the end" as the largest integer of 32 or 64 bits. */
const TO_THE_END = 2 ** 31 - 1;

export const eliminateSlice: Rewrite = {
  name: 'eliminate-slice',
  exactness: 'exact',
  summary: 'Removes a Slice that takes every element.',
  apply: bypassing(['Slice'], (node, site) => {
    const shape = site.shape(node.inputs[0]);
    const cuts = shape === undefined ? undefined : constantCuts(node, site, shape.length);
    return (
      cuts?.every((cut) => {
        const size = shape?.[cut.axis];
        if (cut.step !== 1) return false;
        if (!isFixed(size)) return cut.start === 0 && cut.end >= TO_THE_END;
        return rangeOf(size, cut).count === size;
      }) ?? false
    );
  }),
};
