/** What checks a config and a recipe: the door of core that loads zod. */
export { compileConfig, configJsonSchema } from './config.ts';
export { compileServing, servingJsonSchema } from './config/serving.ts';
export { passSchema } from './passes/schema.ts';
