/** Trained model to validated release. */
export type { Pass, PassAssessment, PassContext, PassRegistry, PassResult } from './pass.ts';
export { build } from './pipeline/build.ts';
export {
  BUILD_STAGES,
  type BuildHooks,
  type BuildProgress,
  type BuildResult,
  type BuildStage,
} from './pipeline/hooks.ts';
export { renderPage } from './report/html/page.ts';
export { renderReport, type TableOptions } from './report/terminal.ts';
