/** Integers that follow from known dimensions (`Shape(x)[1]` of a fixed axis) become constants. */
import { bytesOf } from '@slipway/core';
import { createInitializer } from '../../ir/initializer.ts';
import { isFixed } from '../../ir/type.ts';
import { eachNode, onlyFirstOutput, type Rewrite } from '../rewrite.ts';

/** Operators whose integer results inference follows through symbols. */
const FOLLOWED =
  'Shape Size Gather Slice Concat Unsqueeze Squeeze Cast Reshape Add Sub Mul Div Mod Min Max Range Equal Where ReduceProd ConstantOfShape Identity';

export const foldShapes: Rewrite = {
  name: 'fold-shapes',
  exactness: 'exact',
  summary: 'Replaces shape arithmetic by its result where the dimensions it depends on are known.',
  apply: eachNode(FOLLOWED.split(' '), (node, site) => {
    const [output = ''] = node.outputs;
    const type = site.type(output);
    const elements = site.known(output)?.elements;
    if (type === undefined || elements?.every(isFixed) !== true || !onlyFirstOutput(node)) return false;
    if (site.editor.isOutput(output) || (type.shape?.length ?? 2) > 1 || (type.shape?.[0] ?? 1) !== elements.length) {
      return false;
    }
    const data =
      type.dtype === 'int64'
        ? BigInt64Array.from(elements, BigInt)
        : type.dtype === 'int32'
          ? Int32Array.from(elements)
          : undefined;
    if (data === undefined) return false;
    const dims = type.shape?.length === 0 ? [] : [elements.length];
    site.editor.remove(node);
    site.editor.setType(output, null);
    site.editor.setInitializer(createInitializer(output, type.dtype, dims, bytesOf(data)));
    return true;
  }),
};
