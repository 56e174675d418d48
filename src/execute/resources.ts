// Tokens that running stages hold: cpu, job slots and whatever a workflow counts (gpu: 1). Given in the plan's order. A stage
// that fits may pass one that does not, but not for ever: after `MOST_PASSED` others the tokens are kept for it. Runs of one
// process may draw on one supply.
import type { PlannedStage } from '../plan/plan.ts';
import { LowestFirst } from '../support/lowest-first.ts';

export type Tokens = { readonly [token: string]: number };

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
    return Object.hasOwn(this.totals, token) ? (this.totals[token] ?? 1) : 1;
  }

  freeOf(token: string): number {
    return this.free.get(token) ?? this.totalOf(token);
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
}

/** What one stage holds, gives back while it waits to be tried again, and takes again. */
export interface Hold {
  /** Resolves with true when the tokens are held, with false when the stage is not to start any more. */
  take(): Promise<boolean>;
  giveBack(): void;
}

interface Waiting {
  readonly needs: Tokens;
  readonly order: number;
  /** It has run before and is to be tried again. */
  readonly again: boolean;
  readonly settle: (taken: boolean) => void;
  passed: number;
}

const MOST_PASSED = 16;

/** What the stages of one run wait for. */
export class ResourcePool {
  private readonly supply: TokenSupply;
  private waiting: Waiting[] = [];
  private readonly expected = new Set<number>();
  /** May still hold what is expected no more. */
  private readonly expectedInOrder = new LowestFirst<number>();
  private readonly leave: () => void;
  private refused: 'none' | 'new' | 'all' = 'none';

  constructor(supply: TokenSupply) {
    this.supply = supply;
    this.leave = supply.onFree(() => this.startWaiting());
  }

  /** Needs above the total are cut to it, so that everything can run alone; `beyond` tells. */
  hold(needs: Tokens, order: number): Hold {
    const cut = Object.fromEntries(
      Object.entries(needs).map(([token, count]) => [token, Math.min(count, this.supply.totalOf(token))]),
    );
    let started = false;
    let held = false;
    return {
      take: async () => {
        this.expected.delete(order);
        held = await new Promise<boolean>((settle) => {
          this.enqueue({ needs: cut, order, again: started, settle, passed: 0 });
          this.startWaiting();
        });
        started ||= held;
        return held;
      },
      giveBack: () => {
        if (!held) return;
        held = false;
        this.supply.giveBack(cut);
      },
    };
  }

  /** Of these needs, those that are more than there is of them: token → how many there are. */
  beyond(needs: Tokens): Tokens {
    const short = Object.entries(needs).filter(([token, count]) => count > this.supply.totalOf(token));
    return Object.fromEntries(short.map(([token]) => [token, this.supply.totalOf(token)]));
  }

  /** A stage that may ask soon: those behind it in the plan wait until it has asked or `dismiss` says that it will not. */
  expect(order: number): void {
    this.expected.add(order);
    this.expectedInOrder.add(order, order);
  }

  dismiss(order: number): void {
    if (this.expected.delete(order)) this.startWaiting();
  }

  /** Sends away who waits, and whoever asks later: all of them, or only those that have not run yet. */
  refuse(whom: 'new' | 'all'): void {
    if (this.refused !== 'all') this.refused = whom;
    this.startWaiting();
  }

  /** The run has ended. */
  close(): void {
    this.leave();
  }

  private enqueue(one: Waiting): void {
    let at = this.waiting.length;
    while (at > 0 && (this.waiting[at - 1]?.order ?? 0) > one.order) at--;
    this.waiting.splice(at, 0, one);
  }

  private startWaiting(): void {
    if (this.waiting.length === 0) return;
    this.sendAway();
    const firstExpected = this.firstExpected();
    const kept: Waiting[] = [];
    const started: Waiting[] = [];
    let head: Waiting | undefined;
    let looked = 0;
    for (const one of this.waiting) {
      // Every job needs a core and a slot: without one there is no need to look at the others.
      if (one.order > firstExpected || this.supply.freeOf('cpu') < 1 || this.supply.freeOf('job') < 1) break;
      looked++;
      const reserved = head !== undefined && head.passed >= MOST_PASSED ? head.needs : {};
      const fits = Object.entries(one.needs).every(
        ([token, count]) =>
          this.supply.freeOf(token) - (Object.hasOwn(reserved, token) ? (reserved[token] ?? 0) : 0) >= count,
      );
      if (!fits) {
        kept.push(one);
        head ??= one;
        continue;
      }
      this.supply.take(one.needs);
      if (head !== undefined) head.passed++;
      started.push(one);
    }
    if (started.length > 0) this.waiting.splice(0, looked, ...kept);
    for (const { settle } of started) settle(true);
  }

  private firstExpected(): number {
    for (;;) {
      const first = this.expectedInOrder.first;
      if (first === undefined || this.expected.has(first)) return first ?? Infinity;
      this.expectedInOrder.takeFirst();
    }
  }

  private sendAway(): void {
    if (this.refused === 'none') return;
    const sent = this.waiting.filter(({ again }) => this.refused === 'all' || !again);
    this.waiting = this.waiting.filter(({ again }) => this.refused !== 'all' && again);
    for (const { settle } of sent) settle(false);
  }
}

/** What the engine decides by itself costs nothing and needs only what the workflow says. */
export function needsOf(stage: PlannedStage): Tokens {
  if (stage.runsOn === 'engine') return stage.resources;
  const cpu = stage.runsOn === 'command' ? 1 : stage.threads;
  return { cpu, ...stage.resources, job: 1 };
}
