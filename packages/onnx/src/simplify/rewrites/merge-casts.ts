/** A Cast of a Cast becomes one, where the first loses nothing. */
import { dtypeFromCode, type OnnxDType } from '../../ir/dtype.ts';
import { getInt, isOp } from '../../ir/node.ts';
import { eachNode, type Rewrite } from '../rewrite.ts';

/** Types that hold every value of the type. */
const HOLDERS: Partial<Record<OnnxDType, readonly OnnxDType[]>> = {
  bool: ['uint8', 'int8', 'uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64', 'float16', 'float32', 'float64'],
  uint8: ['uint16', 'int16', 'uint32', 'int32', 'uint64', 'int64', 'float16', 'float32', 'float64'],
  int8: ['int16', 'int32', 'int64', 'float16', 'float32', 'float64'],
  uint16: ['uint32', 'int32', 'uint64', 'int64', 'float32', 'float64'],
  int16: ['int32', 'int64', 'float32', 'float64'],
  uint32: ['uint64', 'int64', 'float64'],
  int32: ['int64', 'float64'],
  float16: ['float32', 'float64'],
  float32: ['float64'],
};
const holds = (holder: OnnxDType, dtype: OnnxDType): boolean => HOLDERS[dtype]?.includes(holder) ?? false;
const isFloat = (dtype: OnnxDType): boolean => dtype.startsWith('float');

export const mergeCasts: Rewrite = {
  name: 'merge-casts',
  exactness: 'exact',
  summary: 'Lets a Cast of a Cast that loses nothing read the original.',
  apply: eachNode(['Cast'], (node, site) => {
    const first = site.editor.producer(node.inputs[0] ?? '');
    if (first === undefined || !isOp(first, 'Cast')) return false;
    const from = site.type(first.inputs[0])?.dtype;
    const [between, to] = [first, node].map((cast) => dtypeFromCode(getInt(cast, 'to', 0)));
    if (from === undefined || between === undefined || to === undefined || !isMergeable(from, between, to)) {
      return false;
    }
    site.editor.update(node, { inputs: first.inputs });
    return true;
  }),
};

function isMergeable(from: OnnxDType, between: OnnxDType, to: OnnxDType): boolean {
  if (!(holds(between, from) || between === from) || to === 'string') return false;
  // A float that does not fit an integer type is undefined, an integer that does not wraps.
  const detour = isFloat(between) && !isFloat(from) && !isFloat(to) && to !== 'bool';
  return to === from || !detour || holds(to, from);
}
