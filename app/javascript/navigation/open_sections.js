import { replaceSearch } from "./router.js";
import { withToggledSection } from "./url_state.js";

/**
 * The sections that the user has opened or closed, in the URL: `open=job-12.-job-15`. The server renders the sections
 * accordingly (`is_open` in app/filters/view_state.py).
 */

/** Sections of Streamlit, whose container has the name, and those of the dashboard's own HTML. */
const SECTIONS = "[data-testid=stExpander] details, details[data-section]";
const KEY_CLASS = "st-key-";

/** Sections whose heading the user has clicked: pages open and close sections as well.
 * @type {WeakSet<HTMLDetailsElement>} */
const clicked = new WeakSet();

/** @param {HTMLDetailsElement} details */
const nameOf = (details) => {
  if (details.dataset.section) return details.dataset.section;
  const names = [...(details.closest(`[class*=${KEY_CLASS}]`)?.classList ?? [])];
  return names.find((name) => name.startsWith(KEY_CLASS))?.slice(KEY_CLASS.length) ?? "";
};

/** @param {Event} event */
const sectionOf = (event) => {
  const details = event.target instanceof Element ? event.target.closest("details") : null;
  return details instanceof HTMLDetailsElement && details.matches(SECTIONS) ? details : null;
};

/** @param {MouseEvent} event */
const onClick = (event) => {
  const details = event.target instanceof Element && event.target.closest("summary") ? sectionOf(event) : null;
  if (details) clicked.add(details);
};

/** @param {Event} event */
const onToggle = (event) => {
  const details = sectionOf(event);
  if (!details || !clicked.delete(details)) return;
  const name = nameOf(details);
  if (name) replaceSearch(withToggledSection(location.search, name, details.open));
};

export const installOpenSections = () => {
  document.addEventListener("click", onClick, true);
  // The event does not bubble.
  document.addEventListener("toggle", onToggle, true);
};
