/** Sizes in units of the screen: the smallest field in which a name can be read from afar, and the largest one. */
const MIN_WIDTH = 8.2;
const MIN_HEIGHT = 1.6;
const MAX_HEIGHT = 13;
/** Width of a field by its height, at which a name and a rate beside it are largest. */
const ASPECT = 3.4;

/**
 * The grid in which the fields of a wall screen are largest.
 * @param {number} count of fields
 * @param {{ width: number, height: number, gap: number, unit: number }} area in pixels
 * @returns {{ columns: number, rowHeight: number, shown: number }} `shown`: the number of fields that have space
 */
export const fieldGrid = (count, { width, height, gap, unit }) => {
  const maxColumns = Math.max(1, Math.floor((width + gap) / (MIN_WIDTH * unit + gap)));
  const maxRows = Math.max(1, Math.floor((height + gap) / (MIN_HEIGHT * unit + gap)));
  let best = { columns: maxColumns, size: 0 };
  for (let columns = 1; columns <= maxColumns; columns++) {
    const rows = Math.ceil(count / columns);
    if (rows > maxRows) continue;
    const fieldWidth = (width - gap * (columns - 1)) / columns;
    const fieldHeight = Math.min((height - gap * (rows - 1)) / rows, MAX_HEIGHT * unit);
    const size = Math.min(fieldWidth / ASPECT, fieldHeight);
    if (size > best.size) best = { columns, size };
  }
  const shown = Math.min(count, best.columns * maxRows);
  const rows = Math.max(1, Math.ceil(shown / best.columns));
  return {
    columns: best.columns,
    rowHeight: Math.floor(Math.min((height - gap * (rows - 1)) / rows, MAX_HEIGHT * unit)),
    shown,
  };
};

/**
 * The view of a wall screen at a time: each in turn, without those that are empty unless all are.
 * @param {{ name: string, isEmpty: boolean }[]} views
 * @param {number} seconds of each view, 0 for the first view only
 * @param {number} now time in milliseconds
 */
export const viewAt = (views, seconds, now) => {
  const shown = views.filter(({ isEmpty }) => !isEmpty);
  const candidates = shown.length > 0 ? shown : views;
  return candidates[seconds > 0 ? Math.floor(now / 1000 / seconds) % candidates.length : 0]?.name;
};

/**
 * Whether a URL is in kiosk mode, as `is_kiosk` in app/session.py.
 * @param {string} search the query of the URL
 */
export const isKiosk = (search) => !["", "0"].includes(new URLSearchParams(search).get("wall") ?? "");

/**
 * @param {number} count of fields that have no space
 * @param {number} failing the failing ones among them
 */
export const restText = (count, failing) =>
  `${count.toLocaleString("en")} more${failing > 0 ? `, ${failing.toLocaleString("en")} of them failing` : ""}`;

/**
 * @param {number} seconds
 * @returns {string} such as `updated 5 min ago`
 */
export const updatedText = (seconds) => {
  if (seconds < 60) return "updated just now";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `updated ${minutes} min ago`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `updated ${hours} h ago` : `updated ${Math.floor(hours / 24)} d ago`;
};
