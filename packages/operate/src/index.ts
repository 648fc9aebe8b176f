/** Running deployment to knowledge and action. */
export { fetchStatus } from './status/fetch-status.ts';
