/** Whether what the choices of a recipe gave is a recipe: options can rule each other out, which no single choice shows. */
import { isPartial, type RecipeStep } from '@slipway/core';
import { passSchema } from '@slipway/core/schemas';

export function isValidRecipe(steps: readonly unknown[]): steps is readonly RecipeStep[] {
  return (steps as readonly RecipeStep[]).every(
    (step) => passSchema.safeParse(isPartial(step) ? step.partial : step).success,
  );
}
