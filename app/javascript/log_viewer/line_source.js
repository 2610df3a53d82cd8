/** @import { Chunk, Line } from "./types.d.ts" */

/** Number of lines requested at once. */
export const CHUNK_SIZE = 250;
const MAX_CHUNKS = 60;
/** Number of lines requested at once for the clipboard. */
const MAX_LINES_PER_REQUEST = 1000;

/** The lines of a log, loaded in chunks on demand; the least recently displayed chunks are dropped first. */
export class LineSource {
  /** By chunk number, the most recently displayed last. @type {Map<number, Chunk>} */
  #chunks = new Map();
  /** Pending requests by chunk number. @type {Map<number, AbortController>} */
  #requests = new Map();

  /**
   * @param {string} base URL of the log's endpoints
   * @param {(error: Error | null) => void} onLoad called after every loaded chunk, or with the reason for a failure
   */
  constructor(base, onLoad) {
    this.base = base;
    this.onLoad = onLoad;
  }

  /**
   * Requests a part of the log. Throws an error with the server's explanation if the request fails.
   * @param {string} part
   * @param {Record<string, string | number>} [query]
   * @param {AbortSignal} [signal]
   */
  async request(part, query = {}, signal = undefined) {
    const parameters = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
    const response = await fetch(`${this.base}/${part}?${parameters}`, { signal });
    if (response.ok) return response;
    const problem = await response.json().catch(() => ({}));
    throw new Error(problem.detail ?? `The request failed with status ${response.status}.`);
  }

  /**
   * @param {string} part
   * @param {Record<string, string | number>} [query]
   * @param {AbortSignal} [signal]
   */
  async json(part, query, signal) {
    return (await this.request(part, query, signal)).json();
  }

  /**
   * A line, or null while it is not loaded.
   * @param {number} number
   * @returns {Line | null}
   */
  line(number) {
    const chunk = this.#chunks.get(chunkOf(number));
    const line = chunk?.lines[(number - 1) % CHUNK_SIZE];
    if (!chunk || !line) return null;
    const [at, kind, content, cut] = line;
    return { at, kind, content, cut, styles: chunk.styles };
  }

  /**
   * Loads the missing chunks of these line ranges and aborts the requests of all other chunks.
   * @param {[from: number, to: number][]} ranges
   */
  prefetch(ranges) {
    /** @type {Set<number>} */
    const needed = new Set();
    for (const [from, to] of ranges) {
      for (let number = chunkOf(from); number <= chunkOf(to); number++) needed.add(number);
    }
    for (const [number, request] of this.#requests) {
      if (needed.has(number)) continue;
      request.abort();
      this.#requests.delete(number);
    }
    for (const number of needed) {
      const chunk = this.#chunks.get(number);
      if (chunk) {
        this.#chunks.delete(number);
        this.#chunks.set(number, chunk);
      } else if (!this.#requests.has(number)) void this.#load(number);
    }
  }

  /** @param {number} number */
  async #load(number) {
    const request = new AbortController();
    this.#requests.set(number, request);
    try {
      const query = { from: number * CHUNK_SIZE + 1, count: CHUNK_SIZE };
      this.#chunks.set(number, await this.json("lines", query, request.signal));
      if (this.#chunks.size > MAX_CHUNKS) this.#chunks.delete(this.#chunks.keys().next().value ?? -1);
      this.onLoad(null);
    } catch (error) {
      const reason = toError(error);
      if (reason.name !== "AbortError") this.onLoad(reason);
    } finally {
      if (this.#requests.get(number) === request) this.#requests.delete(number);
    }
  }

  /**
   * The text of a range of lines.
   * @param {number} first
   * @param {number} last
   */
  async text(first, last) {
    /** @type {string[]} */
    const texts = [];
    for (let from = first; from <= last; from += MAX_LINES_PER_REQUEST) {
      const count = Math.min(MAX_LINES_PER_REQUEST, last - from + 1);
      /** @type {Chunk} */
      const { lines } = await this.json("lines", { from, count });
      for (const [, , content] of lines)
        texts.push(typeof content === "string" ? content : content.map(([text]) => text).join(""));
    }
    return texts.join("\n");
  }
}

/** @param {number} line */
const chunkOf = (line) => Math.floor((line - 1) / CHUNK_SIZE);

/**
 * What a `catch` clause caught, as an Error.
 * @param {unknown} caught
 * @returns {Error}
 */
export const toError = (caught) => (caught instanceof Error ? caught : new Error(String(caught)));
