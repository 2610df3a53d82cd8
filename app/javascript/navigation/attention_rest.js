/** Rounding of positions, in pixels. */
const TOLERANCE = 1;

/**
 * The label of the button that shows what has no space in a list; empty if all has.
 * @param {number[]} titles distances of the lower ends of the titles of its items from its top, in pixels
 * @param {number} content height of all items
 * @param {number} height of the list
 */
export const restLabel = (titles, content, height) => {
  if (content <= height + TOLERANCE) return "";
  const hidden = titles.filter((bottom) => bottom > height + TOLERANCE).length;
  return hidden ? `Show ${hidden} more` : "Show more";
};
