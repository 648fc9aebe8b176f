/** `.npy` for the only input, `.npz` for several; what NumPy's own clients (SageMaker's serializers among them) send. */
import { hasCode, parseNpy, readNpz, type Signature, type SlipwayError, type Tensors } from '@slipway/core';
import { fitInput, malformed, namesOf, onlyInput } from './fit.ts';

/** @throws REQUEST_MALFORMED, TENSOR_INVALID */
export function readNpyBody(body: Buffer, signature: Signature): Tensors {
  const spec = onlyInput(signature, '.npy');
  return {
    [spec.name]: fitInput(
      asRequest(() => parseNpy(body, 'the body')),
      spec,
    ),
  };
}

/**
 * Arrays by the names of inputs; `numpy.savez(file, a, b)` names them `arr_0`, `arr_1`, which are taken in the order of the inputs.
 * @param maxBytes of all arrays together, unpacked
 * @throws REQUEST_MALFORMED, TENSOR_INVALID
 */
export function readNpzBody(body: Buffer, signature: Signature, maxBytes: number): Tensors {
  const arrays = asRequest(() => readNpz(body, 'the body', maxBytes));
  const numbered =
    [...arrays.keys()].every((name) => /^arr_\d+$/.test(name)) && arrays.size === signature.inputs.length;
  for (const name of arrays.keys()) {
    if (!numbered && !signature.inputs.some((spec) => spec.name === name)) {
      throw malformed(`the array "${name.slice(0, 100)}" is not an input of the model; it takes ${namesOf(signature)}`);
    }
  }
  const found = signature.inputs.map((spec, index) => {
    const array = arrays.get(spec.name) ?? (numbered ? arrays.get(`arr_${index}`) : undefined);
    if (array === undefined) throw malformed(`the .npz has no array "${spec.name}"`);
    return { spec, array };
  });
  return Object.fromEntries(found.map(({ spec, array }) => [spec.name, fitInput(array, spec)]));
}

/** The parsers are those of data files; here the file is a request. */
export function asRequest<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (hasCode(error, 'DATA_FORMAT')) throw malformed((error as SlipwayError).message);
    throw error;
  }
}
