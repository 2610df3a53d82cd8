import { restLabel } from "./attention_rest.js";
import { closestTarget } from "./events.js";

/**
 * The list of items that need attention keeps its height while new data arrives, so that nothing below it moves; a button
 * shows what has no space. The list gets the height of its content when it is first shown, for another selection, after a
 * click on it, when the browser scrolls it, in another width, and when it changes unseen.
 */
const BOX = ".st-key-attention";
const LIST = ".ph-attention[data-selection]";
const REST = "ph-attention-rest";
/** A variable of the document: Streamlit may reuse the element of the box for another one. */
const HEIGHT = "--ph-attention-height";

/**
 * @typedef {object} Measured
 * @property {HTMLElement} list the last list, which every update replaces
 * @property {string | undefined} selection
 * @property {number} width
 */
/** @type {Measured | null} */
let measured = null;
/** @type {HTMLElement | null} */
let observedBox = null;

/** @param {HTMLElement} box @param {HTMLElement} list */
const measure = (box, list) => {
  const { style } = document.documentElement;
  style.removeProperty(HEIGHT);
  measured = { list, selection: list.dataset.selection, width: box.clientWidth };
  style.setProperty(HEIGHT, `${box.getBoundingClientRect().height}px`);
};

/** @param {HTMLElement} list */
const showRest = (list) => {
  const items = [...list.children].filter((child) => !child.classList.contains(REST));
  const top = list.getBoundingClientRect().top + list.clientTop;
  const titles = items.map((item) => (item.querySelector("a, summary") ?? item).getBoundingClientRect().bottom - top);
  const end = items.at(-1)?.getBoundingClientRect().bottom ?? top;
  const label = restLabel(titles, end - top, list.clientHeight);
  const button = list.querySelector(`.${REST}`) ?? document.createElement("button");
  if (!label) {
    button.remove();
    return;
  }
  if (button.textContent !== label) button.textContent = label;
  if (button.isConnected) return;
  button.className = REST;
  button.setAttribute("type", "button");
  list.append(button);
};

export const keepAttentionHeight = () => {
  const box = /** @type {HTMLElement | null} */ (document.querySelector(BOX));
  const list = /** @type {HTMLElement | null | undefined} */ (box?.querySelector(LIST));
  if (!box) {
    // Another page; the list is measured again when its page is opened.
    measured = null;
    document.documentElement.style.removeProperty(HEIGHT);
  }
  // Until the list is known, its place has the height of the previous one.
  if (!box || !list || list.closest(".ph-reserved")) return;
  if (measured?.list === list && measured.width === box.clientWidth) return;
  if (observedBox !== box) {
    sizes.disconnect();
    sizes.observe(box);
    observedBox = box;
  }
  const isSame = measured?.selection === list.dataset.selection && measured?.width === box.clientWidth;
  const isUnseen = document.hidden || box.getBoundingClientRect().bottom <= 0;
  if (measured && isSame && !isUnseen) measured.list = list;
  else measure(box, list);
  showRest(list);
};

const sizes = new ResizeObserver(keepAttentionHeight);

/**
 * The first link of the list that has no space.
 * @param {HTMLElement} list
 */
const firstHidden = (list) => {
  const { bottom } = list.getBoundingClientRect();
  const links = /** @type {NodeListOf<HTMLElement>} */ (list.querySelectorAll("a, summary"));
  return [...links].find((link) => link.getBoundingClientRect().bottom > bottom + 1);
};

/** @param {MouseEvent} event */
const onClick = (event) => {
  const list = closestTarget(event, `${BOX} ${LIST}`);
  const box = /** @type {HTMLElement | null | undefined} */ (list?.closest(BOX));
  const target = closestTarget(event, `summary, .${REST}`);
  if (!list || !box || !target) return;
  // The browser opens the section after the event.
  setTimeout(() => {
    // The button, which has the focus, is removed.
    const next = target.matches(`.${REST}`) ? firstHidden(list) : undefined;
    measure(box, list);
    showRest(list);
    next?.focus({ preventScroll: true });
  });
};

/**
 * The list has no scroll bar, but the browser scrolls it to an item without space that gets the focus, or that a search
 * in the page matches: then all items are shown, since those above could not be scrolled back.
 * @param {Event} event
 */
const onScroll = ({ target }) => {
  if (!(target instanceof HTMLElement) || !target.matches(`${BOX} ${LIST}`) || !target.scrollTop) return;
  const box = /** @type {HTMLElement | null} */ (target.closest(BOX));
  if (!box) return;
  measure(box, target);
  showRest(target);
};

export const installAttention = () => {
  document.addEventListener("click", onClick);
  // The event does not bubble.
  document.addEventListener("scroll", onScroll, true);
};
