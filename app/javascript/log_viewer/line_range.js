/**
 * Parses `12` or `12-20`, as in the `line` parameter of an address; null if the text is anything else.
 * @param {string | null | undefined} text
 * @returns {{ from: number, to: number } | null}
 */
export const parseLineRange = (text) => {
  const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(text ?? "");
  if (!match) return null;
  const [from, to] = [Number(match[1]), Number(match[2] ?? match[1])].sort((a, b) => a - b);
  return from > 0 ? { from, to } : null;
};

/**
 * @param {number} from
 * @param {number} to
 */
export const formatLineRange = (from, to) => (from === to ? String(from) : `${from}-${to}`);
