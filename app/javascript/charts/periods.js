/** @import { ChartMeta } from "./plot.js" */

/**
 * The index of the bucket at a position.
 * @param {number[]} places positions of the buckets, in ascending order
 * @param {number} place
 * @param {boolean} centred
 */
export const bucketAt = (places, place, centred) => {
  let bucket = places.findLastIndex((start) => start <= place);
  if (bucket < 0) return 0;
  if (centred && bucket + 1 < places.length && places[bucket + 1] - place < place - places[bucket]) bucket += 1;
  return bucket;
};

/** @param {string} day */
const nextDay = (day) => new Date(Date.parse(`${day}T00:00Z`) + 86_400_000).toISOString().slice(0, 10);

/**
 * The value of `dates` from the beginning of one to the end of another: days if both are days, else times.
 * @param {string} first
 * @param {string} last
 */
export const joinDates = (first, last) => {
  const [since] = first.split("..");
  const [, until] = last.split("..");
  if (!since.includes("T") && !until.includes("T")) return `${since}..${until}`;
  const begin = since.includes("T") ? since : `${since}T00:00`;
  const end = until.includes("T") ? until : `${nextDay(until)}T00:00`;
  return `${begin}..${end}`;
};

/**
 * The dates between two positions on a time axis.
 * @param {ChartMeta & { dates: string[] }} chart
 * @param {number[]} places positions of the buckets
 * @param {number} from
 * @param {number} to
 */
export const datesBetween = ({ dates, centred }, places, from, to) => {
  const [first, last] = [Math.min(from, to), Math.max(from, to)].map((place) => bucketAt(places, place, centred ?? true));
  return joinDates(dates[first], dates[last]);
};

/**
 * The query of the page with other dates, at the first page of its tables.
 * @param {string} search
 * @param {string} dates empty for none
 */
export const withDates = (search, dates) => {
  const query = new URLSearchParams(search);
  if (dates) query.set("dates", dates);
  else query.delete("dates");
  query.delete("page");
  return query.toString();
};
