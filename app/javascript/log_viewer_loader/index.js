/** @import { StreamlitComponent } from "../log_viewer/types.d.ts" */

/**
 * The component's script. Streamlit sends it with every log of a page, so it only imports the viewer, which the browser
 * caches.
 * @param {StreamlitComponent} component
 */
export default function load(component) {
  /** @type {Promise<typeof import("../log_viewer/index.js")>} */
  const viewer = import(new URL(component.data.script, document.baseURI).href);
  viewer.then(
    ({ show }) => show(component),
    () => {
      const root = component.parentElement.querySelector(".ph-lv");
      if (root) root.textContent = "The log viewer could not be loaded; reload the page.";
    },
  );
  return () => {
    viewer.then(
      ({ close }) => close(component),
      () => {},
    );
  };
}
