import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";

import { CHUNK_SIZE, LineSource, toError } from "../log_viewer/line_source.js";

/**
 * @typedef {object} Request
 * @property {URL} url
 * @property {AbortSignal | null | undefined} signal
 * @property {(response: Response) => void} respond
 */

const realFetch = globalThis.fetch;
/** @type {Request[]} */
let requests = [];
/** @type {(Error | null)[]} */
let loads = [];
/** @type {LineSource} */
let source;

/** @param {Request} request */
const from = (request) => Number(request.url.searchParams.get("from"));

/** Responds to a request for lines, whose text is their number. @param {Request} request */
const respond = async (request) => {
  const count = Number(request.url.searchParams.get("count"));
  const lines = Array.from({ length: count }, (_, k) => [null, "", `line ${from(request) + k}`, 0]);
  request.respond(Response.json({ from: from(request), lines, styles: [{ bold: 1 }] }));
  await new Promise(setImmediate);
};

beforeEach(() => {
  requests = [];
  loads = [];
  source = new LineSource("logs/1/2", (error) => loads.push(error));
  globalThis.fetch = (input, options) =>
    new Promise((resolve, reject) => {
      const signal = options?.signal;
      requests.push({ url: new URL(String(input), "http://dashboard/"), signal, respond: resolve });
      signal?.addEventListener("abort", () => reject(signal.reason));
    });
});

afterEach(() => {
  globalThis.fetch = realFetch;
});

describe("LineSource", () => {
  test("loads the chunks of the ranges once", async () => {
    source.prefetch([
      [240, 260],
      [1000, 1001],
    ]);
    assert.deepEqual(requests.map(from), [1, 251, 751, 1001]);
    assert.equal(requests[0].url.pathname, "/logs/1/2/lines");
    assert.equal(requests[0].url.searchParams.get("count"), String(CHUNK_SIZE));
    source.prefetch([
      [240, 260],
      [1000, 1001],
    ]);
    assert.equal(requests.length, 4);
    assert.equal(source.line(250), null);
    await respond(requests[0]);
    assert.deepEqual(source.line(250), { at: null, kind: "", content: "line 250", cut: 0, styles: [{ bold: 1 }] });
    assert.equal(source.line(251), null);
    assert.deepEqual(loads, [null]);
    source.prefetch([[1, 250]]);
    assert.equal(requests.length, 4);
  });

  test("aborts requests that are no longer needed, without an error", async () => {
    source.prefetch([[1, 10]]);
    source.prefetch([[5001, 5002]]);
    await new Promise(setImmediate);
    assert.deepEqual(requests.map((request) => request.signal?.aborted), [true, false]);
    assert.deepEqual(loads, []);
    source.prefetch([[1, 10]]);
    await respond(requests[2]);
    assert.equal(source.line(1)?.content, "line 1");
  });

  test("drops the chunk that was displayed least recently", async () => {
    for (let chunk = 0; chunk < 60; chunk++) {
      source.prefetch([[chunk * CHUNK_SIZE + 1, chunk * CHUNK_SIZE + 1]]);
      await respond(requests[chunk]);
    }
    source.prefetch([[1, 1]]);
    source.prefetch([[60 * CHUNK_SIZE + 1, 60 * CHUNK_SIZE + 1]]);
    await respond(requests[60]);
    assert.ok(source.line(1));
    assert.equal(source.line(CHUNK_SIZE + 1), null);
    assert.ok(source.line(2 * CHUNK_SIZE + 1));
  });

  test("reports why a request failed", async () => {
    source.prefetch([[1, 1]]);
    requests[0].respond(Response.json({ detail: "The log has expired." }, { status: 410 }));
    await new Promise(setImmediate);
    assert.equal(loads[0]?.message, "The log has expired.");
    const response = source.request("text");
    requests[1].respond(new Response("no JSON", { status: 502 }));
    await assert.rejects(response, { message: "The request failed with status 502." });
  });

  test("joins the text of lines from several requests", async () => {
    const text = source.text(5, 1006);
    await respond(requests[0]);
    assert.deepEqual(requests.map((request) => request.url.searchParams.get("count")), ["1000", "2"]);
    const content = [
      [null, "", [["red", 0], [" and plain", 1]], 0],
      [null, "error", "last", 0],
    ];
    requests[1].respond(Response.json({ from: 1005, lines: content, styles: [] }));
    const lines = (await text).split("\n");
    assert.equal(lines.length, 1002);
    assert.deepEqual([lines[0], lines[999], ...lines.slice(-2)], ["line 5", "line 1004", "red and plain", "last"]);
  });
});

test("anything that is thrown becomes an Error", () => {
  const error = new TypeError("wrong");
  assert.equal(toError(error), error);
  assert.equal(toError("text").message, "text");
  assert.equal(toError(new DOMException("aborted", "AbortError")).name, "AbortError");
});
