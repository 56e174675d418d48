// What gates that a forecast has decided would write, for gates that read verdicts of others. Nothing of it reaches the store.
import { digestBytes, type Digest } from '../support/digest.ts';
import type { Texts } from './read-metrics.ts';

export class AnnouncedTexts implements Texts {
  private readonly objects: Texts;
  private readonly announced = new Map<Digest, string>();

  constructor(objects: Texts) {
    this.objects = objects;
  }

  announce(texts: readonly string[]): void {
    for (const text of texts) this.announced.set(digestBytes(text), text);
  }

  async readText(digest: Digest): Promise<string | undefined> {
    return this.announced.get(digest) ?? (await this.objects.readText(digest));
  }
}
