/** Preferences in the browser's storage. Where the browser denies access to it, they last until the page is left. */
const PREFIX = "pipeline-health-log-";

/**
 * @param {"wrap" | "times"} key
 * @returns {boolean}
 */
export const readPreference = (key) => {
  try {
    return localStorage.getItem(PREFIX + key) === "true";
  } catch {
    return false;
  }
};

/**
 * @param {"wrap" | "times"} key
 * @param {boolean} value
 */
export const storePreference = (key, value) => {
  try {
    localStorage.setItem(PREFIX + key, String(value));
  } catch {
    return;
  }
};
