/**
 * What to try next. Every sampler is a function of the trials so far, the space and the seed, and of nothing else: a search
 * that was killed proposes, from the same trials, the same next one. What was tried is not proposed again.
 */
import { randomStream, type Sampler } from '@slipway/core';
import { levels, type Chooser, type Proposal, type Space, valueAt } from './space.ts';
import { type Observation, onGrid, parzenChooser } from './tpe.ts';

/** Trials at random before there is anything to estimate from. */
const STARTUP = 10;
/** Every so many trials one is random: a branch whose first trials were unlucky gets others, which the estimator never gives it. */
const EXPLORE_EVERY = 3;
/** Proposals that were tried already, before a finite space is looked through for what is left. */
const ATTEMPTS = 50;
/** Spaces up to this size are tried whole where nobody says otherwise. */
const SMALL = 32;

/** The sampler of a search that names none. */
export const defaultSampler = (space: Space): Sampler => (space.size <= SMALL ? 'exhaustive' : 'tpe');

/**
 * @param tried keys of what was tried, and of what need not be
 * @returns null when there is nothing left
 */
export function propose(
  kind: Sampler,
  space: Space,
  history: readonly Observation[],
  tried: ReadonlySet<string>,
  seed: number,
): Proposal | null {
  if (kind === 'exhaustive') return firstUntried(space, tried);
  // The number of trials is part of the seed, so that the stream does not depend on what was drawn in an earlier process.
  const random = randomStream(seed + 1_000_003 * tried.size);
  const uniform = uniformChooser(random);
  const guided = kind !== 'random' && history.length >= STARTUP && history.length % EXPLORE_EVERY !== 0;
  const choose = guided ? parzenChooser(history, random) : uniform;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    // What is estimated well is proposed again and again: then chance takes over.
    const proposal = space.propose(guided && attempt < ATTEMPTS / 2 ? choose : uniform);
    if (proposal !== null && !tried.has(proposal.key)) return proposal;
  }
  return Number.isFinite(space.size) ? firstUntried(space, tried) : null;
}

function firstUntried(space: Space, tried: ReadonlySet<string>): Proposal | null {
  for (const proposal of space.all()) if (!tried.has(proposal.key)) return proposal;
  return null;
}

function uniformChooser(random: () => number): Chooser {
  return (dimension) => {
    const count = levels(dimension);
    if (dimension.kind === 'any' || (Number.isFinite(count) && !dimension.log)) {
      return valueAt(dimension, Math.floor(random() * count));
    }
    const { low, high, log } = dimension;
    const value = log ? low * (high / low) ** random() : low + (high - low) * random();
    return onGrid(dimension, value);
  };
}
