// Tokens that running stages hold: cpu, job slots and whatever a workflow counts (gpu: 1). Given in the plan's order,
// whoever asks first; but a stage that fits may pass one that does not. Runs of one process may draw on one supply.
import type { PlannedStage } from '../plan/plan.ts';

export type Tokens = { readonly [token: string]: number };

interface Waiting {
  readonly needs: Tokens;
  readonly order: number;
  readonly start: () => void;
}

/** How many tokens there are and how many are free now. */
export class TokenSupply {
  private readonly totals: Tokens;
  private readonly free: Map<string, number>;
  private readonly pools = new Set<() => void>();

  constructor(totals: Tokens) {
    this.totals = totals;
    this.free = new Map(Object.entries(totals));
  }

  /** A token that no one has sized is there once. */
  totalOf(token: string): number {
    return this.totals[token] ?? 1;
  }

  has(needs: Tokens): boolean {
    return Object.entries(needs).every(([token, count]) => this.freeOf(token) >= count);
  }

  take(needs: Tokens): void {
    for (const [token, count] of Object.entries(needs)) this.free.set(token, this.freeOf(token) - count);
  }

  giveBack(held: Tokens): void {
    for (const [token, count] of Object.entries(held)) this.free.set(token, this.freeOf(token) + count);
    for (const tell of this.pools) tell();
  }

  /** Calls back whenever tokens came free, until the returned function is called. */
  onFree(listener: () => void): () => void {
    this.pools.add(listener);
    return () => this.pools.delete(listener);
  }

  private freeOf(token: string): number {
    return this.free.get(token) ?? this.totalOf(token);
  }
}

/** What the stages of one run wait for. */
export class ResourcePool {
  private readonly supply: TokenSupply;
  private waiting: Waiting[] = [];
  private readonly expected = new Set<number>();
  private readonly leave: () => void;

  constructor(supply: TokenSupply) {
    this.supply = supply;
    this.leave = supply.onFree(() => this.startWaiting());
  }

  /** Resolves when the tokens are held; rejects nothing. Needs above the total are cut to it, so that everything can run alone. */
  async acquire(needs: Tokens, order: number): Promise<Tokens> {
    const cut = Object.fromEntries(
      Object.entries(needs).map(([token, count]) => [token, Math.min(count, this.supply.totalOf(token))]),
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
    this.supply.giveBack(held);
  }

  /** The run has ended. */
  close(): void {
    this.leave();
  }

  /** Lets everyone who waits go on empty-handed: the run is ending and they will see it. */
  abandon(): void {
    for (const { needs, start } of this.waiting) {
      this.supply.take(needs); // given back by `release` like any other
      start();
    }
    this.waiting = [];
  }

  private startWaiting(): void {
    const firstExpected = Math.min(...this.expected);
    this.waiting = this.waiting.filter(({ needs, order, start }) => {
      if (order > firstExpected) return true;
      if (!this.supply.has(needs)) return true;
      this.supply.take(needs);
      start();
      return false;
    });
  }
}

export function needsOf(stage: PlannedStage): Tokens {
  const cpu = stage.runsOn === 'command' ? 1 : stage.threads;
  return { cpu, ...stage.resources, job: 1 };
}
