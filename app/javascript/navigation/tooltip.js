/**
 * Explanations by pointer, keyboard and touch.
 *
 * A browser shows a `title` attribute to the pointer only. The texts are moved to `data-tip` and shown in one element:
 * on hover, on focus and on a tap. Escape closes it, and the pointer may enter it (WCAG 1.4.13). Explained elements of a
 * table are one stop of the Tab key, and arrow keys move between them.
 */
import { neighbour, placeTip } from "./tooltip_layout.js";

const TIPPED = "[data-tip]";
/** Elements that get the explanations: those of the dashboard, not Streamlit's own. */
const TITLED = ".stApp [data-testid=stHtml] [title]";
const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";
const TIP_ID = "ph-tooltip";
/** Time in which the pointer can move from an element to its explanation. */
const LEAVE_MS = 200;

/** The element whose explanation is shown, and the one that it describes: the element or the link within that has focus.
 * @type {HTMLElement | null} */
let owner = null;
/** @type {Element | null} */
let described = null;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let leaving;

/** @returns {HTMLElement} */
const tooltip = () => {
  const existing = document.getElementById(TIP_ID);
  if (existing) return existing;
  const created = Object.assign(document.createElement("div"), { id: TIP_ID, className: "ph-tooltip" });
  created.setAttribute("role", "tooltip");
  // A popover is drawn above dialogs and is not clipped by the scrolled areas.
  created.setAttribute("popover", "manual");
  document.querySelector(".stApp")?.append(created);
  return created;
};

const hide = () => {
  clearTimeout(leaving);
  if (!owner) return;
  described?.removeAttribute("aria-describedby");
  owner = described = null;
  document.getElementById(TIP_ID)?.hidePopover?.();
};

/** Moves the explanation to its element; closes it if the element is gone. */
export const placeTooltip = () => {
  if (!owner) return;
  const tip = tooltip();
  const bounds = owner.getBoundingClientRect();
  if (!owner.isConnected || bounds.bottom < 0 || bounds.top > innerHeight) {
    hide();
    return;
  }
  const { left, top } = placeTip(bounds, tip.getBoundingClientRect(), { width: innerWidth, height: innerHeight });
  tip.style.left = `${left}px`;
  tip.style.top = `${top}px`;
};

/**
 * @param {HTMLElement} element with the explanation
 * @param {Element} target that it describes
 */
const show = (element, target = element) => {
  clearTimeout(leaving);
  const text = element.dataset.tip;
  if (element === owner || !text) return;
  hide();
  owner = element;
  described = target;
  const tip = tooltip();
  tip.textContent = text;
  target.setAttribute("aria-describedby", TIP_ID);
  tip.showPopover?.();
  placeTooltip();
};

/** @param {EventTarget | null} target */
const tipped = (target) =>
  target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest(TIPPED)) : null;

/** @param {EventTarget | null} target */
const isTip = (target) => target instanceof Element && target.closest(`#${TIP_ID}`) !== null;

/** @param {PointerEvent} event */
const onPointerOver = (event) => {
  if (event.pointerType === "touch") return;
  const element = tipped(event.target);
  if (element) show(element);
  else if (isTip(event.target)) clearTimeout(leaving);
  else if (owner && !described?.matches(":focus-visible")) {
    clearTimeout(leaving);
    leaving = setTimeout(hide, LEAVE_MS);
  }
};

/** @param {FocusEvent} event */
const onFocusIn = (event) => {
  const target = event.target instanceof Element && event.target.matches(":focus-visible") ? event.target : null;
  const element = tipped(target);
  if (target && element) show(element, target);
  else if (owner && event.target instanceof Node && !owner.contains(event.target) && !isTip(event.target)) hide();
};

/**
 * A tap shows an explanation, unless it follows a link or presses a button.
 * @param {PointerEvent} event
 */
const onPointerUp = (event) => {
  if (event.pointerType !== "touch") return;
  const element = tipped(event.target);
  if (element && !(event.target instanceof Element && event.target.closest("a[href], th button"))) show(element);
  else if (!isTip(event.target)) hide();
};

/**
 * The explained elements in the rows of a table, with their row and column.
 * @param {HTMLTableElement} table
 */
const tableTips = (table) =>
  [...table.tBodies].flatMap((body) =>
    [...body.rows].flatMap((row, y) =>
      [...row.cells].flatMap((cell, x) =>
        [.../** @type {NodeListOf<HTMLElement>} */ (cell.querySelectorAll(TIPPED))].map((element) => ({ element, x, y })),
      ),
    ),
  );

/** @param {KeyboardEvent} event */
const onKey = (event) => {
  if (event.key === "Escape" && owner) {
    const focused = document.activeElement;
    // Only the explanation is closed, not the kiosk mode around it; but the key is for another element with focus.
    if (!focused || focused === document.body || described?.contains(focused)) {
      event.stopImmediatePropagation();
      event.preventDefault();
    }
    hide();
    return;
  }
  const element = event.target instanceof HTMLElement && event.target.matches(TIPPED) ? event.target : null;
  if (!element) return;
  if (element.getAttribute("role") === "button" && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    if (owner) hide();
    else show(element);
    return;
  }
  const table = element.closest("tbody")?.closest("table");
  if (!table || event.ctrlKey || event.metaKey || event.altKey) return;
  const tips = tableTips(table);
  const next = neighbour(tips, tips.findIndex((tip) => tip.element === element), event.key);
  if (!next) return;
  event.preventDefault();
  if (element.getAttribute("tabindex") === "0") element.setAttribute("tabindex", "-1");
  if (!next.element.matches("a, button")) next.element.setAttribute("tabindex", "0");
  next.element.focus();
};

/** Moves the titles of rendered elements, and makes elements with an explanation reachable by keyboard. */
export const upgradeTitles = () => {
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(TITLED))) {
    element.dataset.tip = element.title;
    element.removeAttribute("title");
    if (!element.dataset.tip || element.matches(FOCUSABLE) || element.querySelector(FOCUSABLE)) continue;
    const body = element.closest("tbody");
    const isStop = !body || !body.querySelector(`${TIPPED}[tabindex="0"]`);
    element.setAttribute("tabindex", isStop ? "0" : "-1");
    if (element.matches(".ph-label")) element.setAttribute("role", "button");
  }
};

export const installTooltips = () => {
  document.addEventListener("pointerover", onPointerOver);
  document.addEventListener("pointerup", onPointerUp);
  document.addEventListener("focusin", onFocusIn);
  document.addEventListener("keydown", onKey, true);
  addEventListener("popstate", hide);
  addEventListener("scroll", placeTooltip, { capture: true, passive: true });
};
