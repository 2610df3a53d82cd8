/**
 * What to announce of a list that has changed; empty for nothing new.
 * @param {Set<string>} before titles of the items of the list
 * @param {Set<string>} now
 */
export const newItems = (before, now) => {
  const added = [...now].filter((title) => !before.has(title));
  if (added.length === 0) return "";
  return added.length === 1 ? `Needs attention: ${added[0]}` : `${added.length} more items need attention`;
};
