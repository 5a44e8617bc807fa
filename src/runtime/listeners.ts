/** Who wants to hear of one kind of event. A part that has something to tell owns one, and knows nothing of its listeners. */
export class Listeners<A extends readonly unknown[] = []> {
  readonly #listeners = new Set<(...event: A) => void>();

  /** Listeners are called in the order in which they were added. @returns what removes this one. */
  add(listener: (...event: A) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  call(...event: A): void {
    for (const listener of this.#listeners) listener(...event);
  }
}
