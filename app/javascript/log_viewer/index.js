/** @import { StreamlitComponent } from "./types.d.ts" */
import STYLES from "./viewer.css";
import { LogViewer } from "./viewer.js";

/** @type {WeakMap<Element, LogViewer>} */
const viewers = new WeakMap();

/**
 * Shows a log, or updates the one that is shown. Streamlit calls this whenever the component's data has changed.
 * @param {StreamlitComponent} component
 */
export function show(component) {
  const { data } = component;
  const root = rootOf(component);
  if (!root) return;
  const viewer = viewers.get(root);
  if (viewer?.data.base === data.base) viewer.update(data);
  else {
    viewer?.close();
    root.replaceChildren();
    viewers.set(root, new LogViewer(root, data));
  }
}

/** @param {StreamlitComponent} component */
export function close(component) {
  const root = rootOf(component);
  if (root) viewers.get(root)?.close();
}

/**
 * @param {StreamlitComponent} component
 * @returns {HTMLElement | null}
 */
function rootOf(component) {
  return component.parentElement.querySelector(".ph-lv");
}

const sheet = new CSSStyleSheet();
sheet.replaceSync(STYLES);
document.adoptedStyleSheets.push(sheet);
