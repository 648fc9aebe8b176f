/** Running deployment to knowledge and action. */
export { fetchStatus, type RunnerStatus, type ServerStatus, type VersionStatus } from './status/fetch-status.ts';
