/** Trained model to validated release. */
export { type Applied, applyPass, type ApplyOptions } from './apply.ts';
export { type Difference, diffModels, type DiffOptions } from './diff/diff.ts';
export { renderDifference } from './diff/text.ts';
export { inspectModel, type Inspection } from './inspect/inspect.ts';
export { type Proposal, type ProposeOptions, proposeProject } from './inspect/propose.ts';
export { renderInspection } from './inspect/text.ts';
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
export { type Verification, verifyRelease } from './verify.ts';
