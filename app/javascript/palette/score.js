/**
 * How well a query matches a text: parts in any order, and abbreviations whose letters are scattered over the text
 * ("svc13" for service-13). Every function reads a text a constant number of times for each part of the query, so that
 * the cost is linear in the length of the text, whatever its letters.
 */

const MAX_TERMS = 8;
const MAX_TERM_LENGTH = 60;
const WHOLE_TEXT = 100;
const WHOLE_WORD = 80;
const WORD_START = 60;
const INSIDE = 40;
/** The best scattered match is worse than any contiguous one. */
const SCATTERED = 30;
/** Of two equal matches, the one in the shorter text is better. */
const LENGTH_BONUS = 9;
const LETTER = /\p{L}/u;
const DIGIT = /\p{N}/u;

/**
 * @typedef {[start: number, end: number]} Range the end is exclusive
 * @typedef {{ letters: string, failures: number[] }} Term a part of the query in lower case, with the table of Knuth,
 *   Morris and Pratt: the length of the longest proper prefix of the first n letters that is also their suffix
 * @typedef {{ lower: ArrayLike<string>, starts: ArrayLike<boolean> }} Text its letters in lower case, and whether a
 *   word starts at each of them
 * @typedef {{ score: number, ranges: Range[] }} Match
 */

/** @param {string} letter */
const lowerCase = (letter) => {
  const lower = letter.toLowerCase();
  // A few letters have a longer lower case, which would shift all positions behind them.
  return lower.length === letter.length ? lower : letter;
};

/** @param {string} query */
export const parseQuery = (query) =>
  query.split(/\s+/).filter(Boolean).slice(0, MAX_TERMS).map((part) => parseTerm(part.slice(0, MAX_TERM_LENGTH)));

/**
 * @param {string} part
 * @returns {Term}
 */
const parseTerm = (part) => {
  const letters = [...Array(part.length).keys()].map((index) => lowerCase(part[index])).join("");
  const failures = [0];
  for (let index = 1, length = 0; index < letters.length; index++) {
    while (length > 0 && letters[index] !== letters[length]) length = failures[length - 1];
    if (letters[index] === letters[length]) length++;
    failures.push(length);
  }
  return { letters, failures };
};

/**
 * A text that is compared with several queries.
 * @param {string} text
 * @returns {Text}
 */
export const prepareText = (text) => {
  /** @type {string[]} */
  const lower = [];
  /** @type {boolean[]} */
  const starts = [];
  let previous = "";
  for (let index = 0; index < text.length; index++) {
    const letter = text[index];
    const kind = LETTER.test(letter) ? "letter" : DIGIT.test(letter) ? "digit" : "";
    const isCapital = kind === "letter" && letter !== lowerCase(letter);
    // Words also start at a digit after a letter, a letter after a digit, and a capital after a small letter.
    const continues = isCapital ? ["capital"] : kind === "letter" ? ["letter", "capital"] : ["digit"];
    starts.push(kind !== "" && !continues.includes(previous));
    lower.push(lowerCase(letter));
    previous = isCapital ? "capital" : kind;
  }
  return { lower, starts };
};

/**
 * The best contiguous match of a term.
 * @param {Term} term
 * @param {Text} text
 * @returns {Match | null}
 */
const findContiguous = ({ letters, failures }, { lower, starts }) => {
  let best = 0;
  let at = 0;
  for (let index = 0, length = 0; index < lower.length; index++) {
    const letter = lower[index];
    while (length > 0 && letter !== letters[length]) length = failures[length - 1];
    if (letter === letters[length]) length++;
    if (length < letters.length) continue;
    const start = index + 1 - length;
    const endsWord = index + 1 === lower.length || starts[index + 1] || !isWordLetter(lower[index + 1]);
    const atStart = starts[start] || !isWordLetter(letters[0]);
    const quality = atStart ? (endsWord ? (length === lower.length ? WHOLE_TEXT : WHOLE_WORD) : WORD_START) : INSIDE;
    if (quality > best) [best, at] = [quality, start];
    length = failures[length - 1];
  }
  return best ? { score: best, ranges: [[at, at + letters.length]] } : null;
};

/** @param {string} letter */
const isWordLetter = (letter) => LETTER.test(letter) || DIGIT.test(letter);

/**
 * A match of letters in order with gaps between them; the first one starts a word, else short terms would match nearly
 * every text. One pass forward finds where the match can end, one pass backward from there where it can begin.
 * @param {Term} term
 * @param {Text} text
 * @returns {Match | null}
 */
const findScattered = ({ letters }, { lower, starts }) => {
  if (letters.length < 2) return null;
  let next = 0;
  let index = 0;
  for (; index < lower.length && next < letters.length; index++) {
    if (lower[index] === letters[next] && (next > 0 || starts[index])) next++;
  }
  if (next < letters.length) return null;
  /** @type {number[]} */
  const places = [];
  for (index--; index >= 0 && next > 0; index--) {
    if (lower[index] === letters[next - 1] && (next > 1 || starts[index])) {
      places.push(index);
      next--;
    }
  }
  places.reverse();
  const joined = places.filter((place, number) => starts[place] || place === places[number - 1] + 1).length;
  const span = places[places.length - 1] - places[0] + 1;
  const score = (SCATTERED * ((2 * joined) / letters.length + letters.length / span)) / 3;
  return { score, ranges: joinRanges(places.map((place) => [place, place + 1])) };
};

/**
 * @param {Range[]} ranges
 * @returns {Range[]} sorted, without overlaps and neighbours
 */
const joinRanges = (ranges) => {
  /** @type {Range[]} */
  const joined = [];
  for (const [start, end] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else joined.push([start, end]);
  }
  return joined;
};

/**
 * The match of a query: every term must match. Null if one does not; a query without terms matches everything.
 * @param {Term[]} terms
 * @param {Text} text
 * @returns {Match | null}
 */
export const scoreText = (terms, text) => {
  if (terms.length === 0) return { score: 0, ranges: [] };
  let sum = 0;
  let matched = 0;
  /** @type {Range[]} */
  const ranges = [];
  for (const term of terms) {
    const match = findContiguous(term, text) ?? findScattered(term, text);
    if (!match) return null;
    sum += match.score;
    matched += term.letters.length;
    ranges.push(...match.ranges);
  }
  const coverage = Math.min(matched / Math.max(text.lower.length, 1), 1);
  return { score: sum / terms.length + LENGTH_BONUS * coverage, ranges: joinRanges(ranges) };
};
