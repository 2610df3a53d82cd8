// Built by `npm run build` from app/javascript; edit the sources, not this file.

// log_viewer_loader/index.js
function load(component) {
  const viewer = import(new URL(component.data.script, document.baseURI).href);
  viewer.then(
    ({ show }) => show(component),
    () => {
      const root = component.parentElement.querySelector(".ph-lv");
      if (root) root.textContent = "The log viewer could not be loaded; reload the page.";
    }
  );
  return () => {
    viewer.then(
      ({ close }) => close(component),
      () => {
      }
    );
  };
}
export {
  load as default
};
