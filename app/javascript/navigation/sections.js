import { state } from "./state.js";

/** Time in which the section may appear. */
const WAIT_MS = 15_000;
const NAME = /^#([a-z][a-z0-9-]{0,60})$/;

/**
 * Scrolls to a section of the page as soon as it appears.
 * @param {string} hash such as `#job-12`: the key of the section's container in Streamlit; anything else is ignored
 */
export const requestSection = (hash) => {
  const name = NAME.exec(hash)?.[1];
  state.section = name ? { name, until: Date.now() + WAIT_MS } : null;
};

export const showSection = () => {
  if (!state.section) return;
  const { name, until } = state.section;
  const section = document.querySelector(`.st-key-${name}`);
  if (Date.now() > until || section) state.section = null;
  if (!section) return;
  const details = section.matches("details") ? section : section.querySelector("details");
  if (details instanceof HTMLDetailsElement && !details.open) details.querySelector("summary")?.click();
  section.scrollIntoView({ block: "start" });
};
