/** Space between an explanation and its element, and between it and the edges of the window. */
const GAP = 6;
const EDGE = 8;

/**
 * The position of an explanation: below its element, or above it if there is no space below; within the window.
 * @param {{ left: number, top: number, bottom: number, width: number }} element
 * @param {{ width: number, height: number }} tip
 * @param {{ width: number, height: number }} window
 */
export const placeTip = (element, tip, window) => {
  const below = element.bottom + GAP;
  const above = element.top - GAP - tip.height;
  const fitsBelow = below + tip.height + EDGE <= window.height;
  const left = Math.min(element.left, window.width - tip.width - EDGE);
  return { left: Math.max(left, EDGE), top: fitsBelow || above < EDGE ? below : above };
};

/**
 * The explained element of a table that an arrow key leads to: left and right the previous and the next one, up and
 * down the nearest one of the same column.
 * @template {{ x: number, y: number }} Tip
 * @param {Tip[]} tips in the order of the rows
 * @param {number} current
 * @param {string} key
 * @returns {Tip | undefined}
 */
export const neighbour = (tips, current, key) => {
  const { x, y } = tips[current];
  switch (key) {
    case "ArrowRight":
      return tips[current + 1];
    case "ArrowLeft":
      return tips[current - 1];
    case "ArrowDown":
      return tips.find((tip) => tip.x === x && tip.y > y);
    case "ArrowUp":
      return tips.findLast((tip) => tip.x === x && tip.y < y);
    default:
      return undefined;
  }
};
