import { state } from "./state.js";

/**
 * The focus of elements that Streamlit replaces: the focused link of a list that updates by itself, and the head of a
 * column that the user has clicked.
 */

const LINKS = "[data-testid=stMain] a[href]";

/** The focused link, and its place among the links to the same address.
 * @type {{ link: Element, address: string, index: number } | null} */
let focusedLink = null;

/** @param {string} address */
const linksTo = (address) => [...document.querySelectorAll(LINKS)].filter((link) => link.getAttribute("href") === address);

/** @param {FocusEvent} event */
const onFocusIn = (event) => {
  const link = event.target instanceof Element && event.target.matches(LINKS) ? event.target : null;
  const address = link?.getAttribute("href");
  focusedLink = link && address ? { link, address, index: linksTo(address).indexOf(link) } : null;
};

/** @returns {Element | null | undefined} */
const replacedLink = () => {
  if (!focusedLink || focusedLink.link.isConnected) return null;
  const { address, index } = focusedLink;
  focusedLink = null;
  return linksTo(address)[index];
};

const replacedHead = () => {
  if (!state.focusedHead) return null;
  const { table, column } = state.focusedHead;
  state.focusedHead = null;
  return document.querySelector(
    `table.ph-table[data-table="${CSS.escape(table)}"] th[data-key="${CSS.escape(column)}"] button`,
  );
};

/** Focuses what has replaced the focused element. */
export const restoreFocus = () => {
  if (document.activeElement !== document.body) return;
  const element = replacedHead() ?? replacedLink();
  if (element instanceof HTMLElement) element.focus({ preventScroll: true });
};

export const installFocus = () => {
  document.addEventListener("focusin", onFocusIn);
  // A click beside all elements takes the focus away.
  document.addEventListener("pointerdown", () => (focusedLink = null), true);
};
