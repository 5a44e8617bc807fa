import { UrlSuccesses } from './url-split.ts';

/** What the endpoints at one origin share: the origin itself, URLs that are split off, and rows of `rule_webhooks`. */
export class Origin {
  /** Scheme, host and port. */
  readonly url: string;
  readonly successes = new UrlSuccesses();
  /** Tracked endpoints at this origin. */
  endpoints = 0;

  constructor(url: string) {
    this.url = url;
  }
}
