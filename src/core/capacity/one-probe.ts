/**
 * Refuses work at once while the other side does not answer. Opens when an answer does not come in time. While it is open, one
 * piece of work at a time is let in, as the probe; the first answer, whatever it says, closes it.
 */
export class OneProbe {
  #isOpen = false;
  #isProbing = false;

  /** True while the other side is taken for silent. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** @returns Whether one piece of work may begin. Each that begins must end with `answered`, `silent` or `withdrawn`. */
  admit(): boolean {
    if (!this.#isOpen) return true;
    if (this.#isProbing) return false;
    this.#isProbing = true;
    return true;
  }

  answered(): void {
    this.#isOpen = false;
    this.#isProbing = false;
  }

  /** The answer did not come in time. */
  silent(): void {
    this.#isOpen = true;
    this.#isProbing = false;
  }

  /** The work ended without having asked: this tells nothing. */
  withdrawn(): void {
    this.#isProbing = false;
  }
}
