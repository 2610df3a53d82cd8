import { closestTarget } from "./events.js";

/** Rows of buttons below lists: newer and older items. */
const PAGERS = ".st-key-pager, .st-key-alerts-pager, .st-key-firing-pager";

/**
 * Another page of a list begins at its top: scrolls back to the head of the list's panel if it is above the window.
 * @param {MouseEvent} event
 */
const onClick = (event) => {
  if (!closestTarget(event, "button:not(:disabled)")) return;
  /** @type {HTMLElement | null | undefined} */
  let block = closestTarget(event, PAGERS);
  while (block && !block.querySelector(".ph-panel")) block = block.parentElement;
  const head = block?.querySelector(".ph-panel");
  if (head && head.getBoundingClientRect().top < 0) head.scrollIntoView({ block: "start" });
};

export const installListPages = () => document.addEventListener("click", onClick);
