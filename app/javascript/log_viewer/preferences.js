const PREFIX = "pipeline-health-log-";

/** Preferences are kept in the browser's storage. Where the browser denies access to it, they last for the page. */

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
