import type { Invocation } from '../domain/command.js';
import type { KeyBudgets } from '../auth/key-budgets.js';
import type { TokenBudgets } from '../auth/token-budgets.js';
import { estimatedTokens } from '../llm/token-estimate.js';
import type { RunWalk } from './run-walk.js';

interface BoundRooms {
  readonly budgets: KeyBudgets;
  readonly tokens: TokenBudgets;
}

/** Claims the run, and the tokens that it may take, from the bounds of its caller's key; undefined where that is bound to neither. */
export function claimBounds(walk: RunWalk, { budgets, tokens }: BoundRooms): Promise<void> | undefined {
  const { principal } = walk.origin;
  const claiming = budgets.claim(principal);
  const expected = principal.bounds ? expectedTokens(walk.preparation.invocation) : null;
  if (!claiming && expected === null) return undefined;
  return claimBoth();

  async function claimBoth(): Promise<void> {
    walk.runClaim = await claiming;
    // One claim after the other: whoever is refused by the second gives back the first.
    if (expected !== null) walk.tokenClaim = await tokens.claim(principal, expected);
  }
}

/** Tokens that a call may take; null for what asks no language model. */
function expectedTokens(invocation: Invocation): number | null {
  if (invocation.kind === 'llm') {
    const { messages, maxTokens } = invocation.chat;
    return estimatedTokens(messages.map(({ content }) => content)) + maxTokens;
  }
  if (invocation.kind === 'instruction') return invocation.tokens;
  if (invocation.kind !== 'knowledge' || invocation.work.kind !== 'answer') return null;
  return estimatedTokens([invocation.work.question]) + invocation.work.maxTokens;
}
