// Items by a number, the lowest first: a binary heap, so that ten thousand of them cost no more each than ten.

export class LowestFirst<T> {
  private readonly heap: { readonly rank: number; readonly item: T }[] = [];

  get first(): T | undefined {
    return this.heap[0]?.item;
  }

  add(rank: number, item: T): void {
    const { heap } = this;
    let place = heap.length;
    heap.push({ rank, item });
    for (let parent = (place - 1) >> 1; place > 0 && this.swapIfLower(place, parent); parent = (place - 1) >> 1) {
      place = parent;
    }
  }

  takeFirst(): T | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first?.item;
    heap[0] = last;
    for (let place = 0; ;) {
      const [left, right] = [2 * place + 1, 2 * place + 2];
      const lower = this.rankOf(right) < this.rankOf(left) ? right : left;
      if (!this.swapIfLower(lower, place)) return first.item;
      place = lower;
    }
  }

  private swapIfLower(child: number, parent: number): boolean {
    const { heap } = this;
    const [low, high] = [heap[child], heap[parent]];
    if (low === undefined || high === undefined || low.rank >= high.rank) return false;
    [heap[child], heap[parent]] = [high, low];
    return true;
  }

  private rankOf(place: number): number {
    return this.heap[place]?.rank ?? Infinity;
  }
}
