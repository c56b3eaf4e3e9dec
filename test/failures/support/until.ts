const POLL_MS = 50;

/**
 * Looks again and again until what is seen is what is waited for, and gives it back. Past `withinMs` it fails and says
 * what it saw last.
 */
export async function until<Seen>(
  look: () => Seen | Promise<Seen>,
  isReached: (seen: Seen) => boolean,
  withinMs = 10_000,
): Promise<Seen> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (isReached(seen)) return seen;
    if (performance.now() > deadline) {
      throw new Error(`not within ${withinMs} ms; seen last: ${JSON.stringify(seen)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
