/** @import { Entry } from "./entries.js" */

/** Typing faster than this sends one request. */
const DELAY_MS = 90;

/**
 * Names from the dashboard's server that fit a query: one request at a time, the last query wins.
 */
export class NameSearch {
  /** @type {AbortController | null} */
  #request = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {(query: string) => URL} urlOf
   * @param {(entries: Entry[]) => void} onEntries
   * @param {(message: string) => void} onError
   */
  constructor(urlOf, onEntries, onError) {
    this.urlOf = urlOf;
    this.onEntries = onEntries;
    this.onError = onError;
    this.isPending = false;
  }

  /**
   * @param {string} query
   * @param {{ delay?: number }} [options]
   */
  search(query, { delay = DELAY_MS } = {}) {
    this.stop();
    this.isPending = true;
    this.#timer = setTimeout(() => this.#load(query), delay);
  }

  stop() {
    clearTimeout(this.#timer);
    this.#request?.abort();
    this.#request = null;
    this.isPending = false;
  }

  /** @param {string} query */
  async #load(query) {
    const request = (this.#request = new AbortController());
    let entries = null;
    let message = "The dashboard's server does not respond; only pages and actions are searched.";
    try {
      const response = await fetch(this.urlOf(query), { signal: request.signal });
      const body = await response.json();
      if (response.ok) entries = body.entries;
      else message = String(body.detail ?? message);
    } catch {
      // The body is no JSON: the general message applies, unless a newer query has replaced this one.
    }
    if (request.signal.aborted) return;
    this.isPending = false;
    if (entries) this.onEntries(entries);
    else this.onError(message);
  }
}
