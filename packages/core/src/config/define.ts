import type { UserConfig } from '../config.ts';

/** Declare a project. Identity at run time; checks and completes at edit time. */
export function defineConfig(config: UserConfig): UserConfig {
  return config;
}
