/** Engines and supervised runner processes. */
export { compareTensors, type Difference } from './compare.ts';
export type { Engine, EngineSession, SessionOptions } from './engine.ts';
export { checkGolden, readGolden } from './golden.ts';
export { memoryLimit } from './host/cgroup.ts';
export { type CpuFacts, cpuFacts, type CpuPlan, cpuPlan } from './host/cpu-plan.ts';
export { allowedCpus, CorePool, type Cores } from './host/cores.ts';
export { hostFacts } from './host/host-facts.ts';
export { openOnnxruntime } from './onnxruntime/engine.ts';
export { onnxruntimeVersion } from './onnxruntime/version.ts';
export type { Measurement, Runner, RunnerExit, RunnerMemory, RunnerOptions } from './runner.ts';
export { startRunner } from './start-runner.ts';
export {
  type SupervisedState,
  type Supervision,
  type Supervisor,
  type SupervisorEvent,
  superviseRunner,
} from './supervise.ts';
