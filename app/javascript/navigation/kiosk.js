import { closestTarget } from "./events.js";
import { fieldGrid, isKiosk, restText, updatedText, viewAt } from "./kiosk_layout.js";
import { navigate } from "./router.js";

const WALL = ".ph-wall";
/** Parameters of kiosk mode, which leaving it removes. */
const PARAMETERS = ["wall", "rotate", "view", "theme"];
/** Time for which a moved pointer is visible. */
const POINTER_MS = 3000;
/** Data that is older than this is marked. */
const OLD_SECONDS = 900;

/** @returns {HTMLElement | null} */
const wall = () => document.querySelector(WALL);

/** @param {HTMLElement} fields */
const fit = (fields) => {
  const { clientWidth: width, clientHeight: height } = fields;
  const style = getComputedStyle(fields);
  const unit = Number.parseFloat(style.fontSize);
  if (!width || !unit) return;
  if (!height) {
    // A low screen has no space for fields; the page waits for their style before it is shown.
    fields.style.setProperty("--ph-columns", "1");
    return;
  }
  const children = [.../** @type {HTMLCollectionOf<HTMLElement>} */ (fields.children)];
  const area = { width, height, gap: Number.parseFloat(style.columnGap) || 0, unit };
  const { columns, rowHeight, shown } = fieldGrid(children.length, area);
  fields.style.setProperty("--ph-columns", String(columns));
  fields.style.setProperty("--ph-row", `${rowHeight}px`);
  children.forEach((field, index) => (field.hidden = index >= shown));
  const rest = fields.nextElementSibling;
  if (!(rest instanceof HTMLElement)) return;
  const total = Number(fields.dataset.total);
  const shownFailing = children.slice(0, shown).filter((field) => field.classList.contains("ph-red")).length;
  setText(rest, restText(total - shown, Number(fields.dataset.failing) - shownFailing));
  if (rest.hidden === total <= shown) return;
  rest.hidden = total <= shown;
  // The line takes some of the space.
  fit(fields);
};

/**
 * Writes the filters and the period of a view into the first line of the screen.
 * @param {HTMLElement} root
 * @param {HTMLElement} section
 */
const showHead = (root, section) => {
  for (const part of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-head]")))
    setText(part, section.dataset[part.dataset.head ?? ""] ?? "");
};

/** Shows the view of this moment, the time and the age of the data, and fits the fields to the screen. */
export const showKiosk = () => {
  const root = wall();
  if (!root) return;
  const now = Date.now();
  const sections = /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("section[data-view]"));
  const views = [...sections].map(({ dataset }) => ({ name: dataset.view ?? "", isEmpty: "empty" in dataset }));
  const current = viewAt(views, Number(root.dataset.rotate), now);
  for (const section of sections) {
    section.hidden = section.dataset.view !== current;
    if (!section.hidden) section.querySelectorAll(".ph-wall-fields").forEach((fields) => fit(/** @type {HTMLElement} */ (fields)));
    if (!section.hidden) showHead(root, section);
    const name = root.querySelector(".ph-wall-view");
    if (name && !section.hidden && views.length > 1) setText(name, section.ariaLabel ?? "");
  }
  const clock = root.querySelector("[data-clock]");
  if (clock) setText(clock, new Date(now).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" }));
  const updated = /** @type {HTMLElement | null} */ (root.querySelector("[data-updated]"));
  if (!updated) return;
  const age = now / 1000 - Number(updated.dataset.updated);
  setText(updated, updatedText(age));
  updated.classList.toggle("ph-red", age > OLD_SECONDS);
};

/**
 * Writes only changes: every write would call the observer that calls this function.
 * @param {Element} element
 * @param {string} text
 */
const setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

export const urlWithoutKiosk = () => {
  const url = new URL(location.href);
  for (const name of PARAMETERS) url.searchParams.delete(name);
  return url;
};

const leave = () => navigate(urlWithoutKiosk());

/** @type {ReturnType<typeof setTimeout> | undefined} */
let pointerTimer;

const showPointer = () => {
  if (!wall()) return;
  document.documentElement.classList.add("ph-pointer");
  clearTimeout(pointerTimer);
  pointerTimer = setTimeout(() => document.documentElement.classList.remove("ph-pointer"), POINTER_MS);
};

export const installKiosk = () => {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    // By the URL: without data there may be no screen, only a message.
    if (isKiosk(location.search)) leave();
  });
  document.addEventListener("click", (event) => closestTarget(event, ".ph-wall-exit") && leave());
  document.addEventListener("pointermove", showPointer, { passive: true });
  addEventListener("resize", showKiosk);
  setInterval(showKiosk, 1000);
};
