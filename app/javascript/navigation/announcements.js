import { newItems } from "./announcements_text.js";

/**
 * Screen readers announce problems that are new in the list of items that need attention. The list itself is no live
 * region: each update replaces it, and all of it would be read again.
 */
const ITEMS = ".ph-attention .ph-need > div > a:first-child";
const REGION = "ph-announcements";

/** @type {{ path: string, items: Set<string> } | null} the items that were on the page, null before the first list */
let known = null;

/** A live region that stays in the document, so that changes of its text are announced. */
const liveRegion = () => {
  const present = document.getElementById(REGION);
  if (present) return present;
  const region = document.createElement("div");
  region.id = REGION;
  region.className = "ph-hidden";
  region.setAttribute("role", "status");
  region.setAttribute("aria-live", "polite");
  document.body.append(region);
  return region;
};

export const announceProblems = () => {
  // While a list is computed, its place has none.
  if (!document.querySelector(".ph-attention[role=region], .ph-attention .ph-calm, .ph-wall")) return;
  const items = new Set([...document.querySelectorAll(ITEMS)].map((link) => link.textContent ?? ""));
  const list = /** @type {HTMLElement | null} */ (document.querySelector(".ph-attention[data-selection]"));
  const path = `${location.pathname} ${list?.dataset.selection ?? ""}`;
  const region = liveRegion();
  if (known?.path === path) {
    const text = newItems(known.items, items);
    if (text && region.textContent !== text) region.textContent = text;
  }
  known = { path, items };
};
