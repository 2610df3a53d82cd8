import { parseQuery, prepareText, scoreText } from "./score.js";

/**
 * @import { Range, Text } from "./score.js"
 *
 * @typedef {"page" | "view" | "team" | "repository" | "workflow" | "branch" | "run" | "action"} Kind
 * @typedef {object} Entry
 * @property {Kind} kind
 * @property {string} label
 * @property {string} [detail] shown beside the label, and searched
 * @property {string} [keywords] searched, not shown
 * @property {string} [sign] the outcome of a run as a symbol
 * @property {string} [tone] the colour of the sign, a name of the theme
 * @property {string} [address] of a page, relative to the base path
 * @property {() => void} [run] instead of an address
 * @typedef {{ entry: Entry, score: number, ranges: Range[] }} RankedEntry `ranges`: the matched parts of the label
 */

/** Kinds in the order of equal matches. @type {Record<Kind, string>} */
export const KINDS = {
  page: "Page",
  view: "Saved view",
  team: "Team",
  repository: "Repository",
  workflow: "Workflow",
  branch: "Branch",
  run: "Run",
  action: "Action",
};
const KIND_ORDER = Object.keys(KINDS);
/** A match that needs the detail or the keywords is worse than one of the label alone. */
const BEYOND_LABEL = 0.7;

/** @type {WeakMap<Entry, { label: Text, all: Text }>} */
const prepared = new WeakMap();

/** @param {Entry} entry */
const textsOf = (entry) => {
  let texts = prepared.get(entry);
  if (!texts) {
    const more = [entry.detail, entry.keywords].filter(Boolean).join(" ");
    const label = prepareText(entry.label);
    texts = { label, all: more ? prepareText(`${entry.label} ${more}`) : label };
    prepared.set(entry, texts);
  }
  return texts;
};

/**
 * Whether `a` comes before `b`: better matches first, then by kind, then shorter labels.
 * @param {RankedEntry} a
 * @param {RankedEntry} b
 */
const comparePlaces = (a, b) =>
  b.score - a.score ||
  KIND_ORDER.indexOf(a.entry.kind) - KIND_ORDER.indexOf(b.entry.kind) ||
  a.entry.label.length - b.entry.label.length;

/**
 * The best entries for a query, best first; equal ones and those of an empty query keep their order.
 * @param {readonly Entry[]} entries
 * @param {string} query
 * @param {number} limit
 * @returns {RankedEntry[]}
 */
export const rankEntries = (entries, query, limit) => {
  const terms = parseQuery(query);
  if (terms.length === 0) return entries.slice(0, limit).map((entry) => ({ entry, score: 0, ranges: [] }));
  /** @type {RankedEntry[]} */
  const best = [];
  for (const entry of entries) {
    const { label, all } = textsOf(entry);
    const ofLabel = scoreText(terms, label);
    const match = ofLabel ?? (all === label ? null : scoreText(terms, all));
    if (!match) continue;
    const visible = match.ranges.filter(([start]) => start < entry.label.length);
    const ranked = { entry, score: ofLabel ? match.score : match.score * BEYOND_LABEL, ranges: visible };
    if (best.length === limit && comparePlaces(ranked, best[limit - 1]) >= 0) continue;
    best.splice(placeOf(best, ranked), 0, ranked);
    if (best.length > limit) best.pop();
  }
  return best;
};

/**
 * Where an entry belongs in a sorted list, after its equals: by bisection.
 * @param {RankedEntry[]} sorted
 * @param {RankedEntry} ranked
 */
const placeOf = (sorted, ranked) => {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comparePlaces(ranked, sorted[middle]) < 0) high = middle;
    else low = middle + 1;
  }
  return low;
};

/**
 * The search over all logs for a text; null without a text.
 * @param {string} text
 * @returns {Entry | null}
 */
export const logSearchEntry = (text) => {
  const query = text.trim();
  if (!query) return null;
  return { kind: "action", label: `Search logs for “${query}”`, address: `search?${new URLSearchParams({ text: query })}` };
};

/**
 * A label in parts, of which every second one is matched.
 * @param {string} label
 * @param {Range[]} ranges sorted
 * @returns {string[]}
 */
export const splitLabel = (label, ranges) => {
  const parts = [];
  let end = 0;
  for (const range of ranges) {
    const until = Math.min(range[1], label.length);
    parts.push(label.slice(end, range[0]), label.slice(range[0], until));
    end = until;
  }
  parts.push(label.slice(end));
  return parts;
};
