// The button of the team of this browser: what it shows, and where it leads. Pure.

/**
 * @typedef {{ text: string, title: string, isPressed: boolean }} ButtonState
 *
 * The button beside the filter; null hides it.
 * @param {string} shown the only selected team; empty if none or several are selected
 * @param {string} mine the team of this browser; empty without one
 * @returns {ButtonState | null}
 */
export const buttonState = (shown, mine) => {
  if (shown && shown === mine)
    return { text: "★ My team", title: "This browser opens with this team. Click to clear", isPressed: true };
  if (shown) return { text: "☆ My team", title: "Open with this team in this browser", isPressed: false };
  return mine ? { text: "My team", title: `Show ${mine}`, isPressed: false } : null;
};

/**
 * The page with this team as the only one.
 * @param {string} team
 * @param {string} href
 */
export const urlOfTeam = (team, href) => {
  const url = new URL(href);
  url.searchParams.delete("team");
  url.searchParams.set("team", team);
  return url;
};
