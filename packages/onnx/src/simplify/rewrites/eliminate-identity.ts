/** Identity goes. */
import { bypassing, type Rewrite } from '../rewrite.ts';

export const eliminateIdentity: Rewrite = {
  name: 'eliminate-identity',
  exactness: 'exact',
  summary: 'Removes Identity.',
  apply: bypassing(['Identity'], () => true),
};
