/** @import { Piece } from "./types.d.ts" */

/**
 * Splits the pieces of a line where matches of a search text begin and end; a match may span several pieces.
 * Returns text, style and whether the text is part of a match. Nothing matches where lower case changes the length of
 * the line, because positions would then differ.
 * @param {Piece[]} pieces
 * @param {string} searchText in lower case
 * @returns {[text: string, style: number, match: boolean][]}
 */
export const splitMatches = (pieces, searchText) => {
  const line = pieces.map(([text]) => text).join("");
  const lower = line.toLowerCase();
  if (!searchText || lower.length !== line.length) return pieces.map(([text, style]) => [text, style, false]);
  /** @type {[start: number, end: number][]} */
  const matches = [];
  for (let at = lower.indexOf(searchText); at >= 0; at = lower.indexOf(searchText, at + searchText.length))
    matches.push([at, at + searchText.length]);
  /** @type {[text: string, style: number, match: boolean][]} */
  const parts = [];
  let pieceStart = 0;
  let next = 0;
  for (const [text, style] of pieces) {
    let position = 0;
    while (position < text.length) {
      while (next < matches.length && matches[next][1] <= pieceStart + position) next++;
      const [start, end] = matches[next] ?? [Infinity, Infinity];
      const match = start <= pieceStart + position;
      const until = Math.min(text.length, (match ? end : start) - pieceStart);
      parts.push([text.slice(position, until), style, match]);
      position = until;
    }
    pieceStart += text.length;
  }
  return parts;
};

/**
 * The index of the first matching line at or below `line`, else 0.
 * @param {number[]} lines
 * @param {number} line
 */
export const firstMatchFrom = (lines, line) => Math.max(lines.findIndex((match) => match >= line), 0);

/**
 * The next (`direction` 1) or previous (-1) problem, seen from a line; continues at the other end of the log.
 * @param {number[]} problems lines in ascending order, at least one
 * @param {number} line
 * @param {1 | -1} direction
 */
export const nextProblem = (problems, line, direction) =>
  direction > 0
    ? (problems.find((problem) => problem > line) ?? problems[0])
    : (problems.findLast((problem) => problem < line) ?? problems[problems.length - 1]);
