// Tokens that running stages hold: cpu, job slots and whatever a workflow counts (gpu: 1). Given in the plan's order,
// whoever asks first; but a stage that fits may pass one that does not.

export type Tokens = { readonly [token: string]: number };

interface Waiting {
  readonly needs: Tokens;
  readonly order: number;
  readonly start: () => void;
}

export class ResourcePool {
  private readonly totals: Tokens;
  private readonly free: Map<string, number>;
  private waiting: Waiting[] = [];
  private readonly expected = new Set<number>();

  constructor(totals: Tokens) {
    this.totals = totals;
    this.free = new Map(Object.entries(totals));
  }

  /** Resolves when the tokens are held; rejects nothing. Needs above the total are cut to it, so that everything can run alone. */
  async acquire(needs: Tokens, order: number): Promise<Tokens> {
    const cut = Object.fromEntries(
      Object.entries(needs).map(([token, count]) => [token, Math.min(count, this.totals[token] ?? 1)]),
    );
    await new Promise<void>((start) => {
      this.expected.delete(order);
      this.waiting.push({ needs: cut, order, start });
      this.waiting.sort((left, right) => left.order - right.order);
      this.startWaiting();
    });
    return cut;
  }

  /** A stage that may ask soon: those behind it in the plan wait until it has asked or `dismiss` says that it will not. */
  expect(order: number): void {
    this.expected.add(order);
  }

  dismiss(order: number): void {
    if (this.expected.delete(order)) this.startWaiting();
  }

  release(held: Tokens): void {
    for (const [token, count] of Object.entries(held)) this.free.set(token, this.freeOf(token) + count);
    this.startWaiting();
  }

  /** Lets everyone who waits go on empty-handed: the run is ending and they will see it. */
  abandon(): void {
    for (const { needs, start } of this.waiting) {
      this.take(needs); // given back by `release` like any other
      start();
    }
    this.waiting = [];
  }

  private startWaiting(): void {
    const firstExpected = Math.min(...this.expected);
    this.waiting = this.waiting.filter(({ needs, order, start }) => {
      if (order > firstExpected) return true;
      if (Object.entries(needs).some(([token, count]) => this.freeOf(token) < count)) return true;
      this.take(needs);
      start();
      return false;
    });
  }

  private take(needs: Tokens): void {
    for (const [token, count] of Object.entries(needs)) this.free.set(token, this.freeOf(token) - count);
  }

  /** A token that no one has sized is there once. */
  private freeOf(token: string): number {
    return this.free.get(token) ?? this.totals[token] ?? 1;
  }
}
