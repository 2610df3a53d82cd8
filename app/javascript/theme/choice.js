/** @typedef {"system" | "light" | "dark"} Theme */

/** @type {readonly Theme[]} */
export const THEMES = ["system", "light", "dark"];

/**
 * @param {unknown} value
 * @returns {Theme | null} null if the value is not a theme
 */
export const parseTheme = (value) => THEMES.find((theme) => theme === value) ?? null;

/**
 * Whether the page is dark. The URL precedes the stored theme, and paper is light.
 * @param {{ parameter: Theme | null, stored: Theme | null, systemIsDark: boolean, isPrinting: boolean }} given
 */
export const isDark = ({ parameter, stored, systemIsDark, isPrinting }) => {
  if (isPrinting) return false;
  const theme = parameter ?? stored ?? "system";
  return theme === "system" ? systemIsDark : theme === "dark";
};
