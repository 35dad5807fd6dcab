export interface TokenLogprob {
  token: string;
  logprob: number;
  bytes: number[];
}

/** Made-up log probabilities, always the same for the same token at the same place: the token and what came next to it. */
export function topLogprobs(token: string, position: number, count: number): TokenLogprob[] {
  return Array.from({ length: Math.max(1, count) }, (_, rank) => {
    const text = rank === 0 ? token : `${token}${rank}`;
    return { token: text, logprob: logprobOf(token, position) - rank, bytes: [...Buffer.from(text)] };
  });
}

export function logprobOf(token: string, position: number): number {
  return -((token.length * 7 + position * 13) % 50) / 100;
}
