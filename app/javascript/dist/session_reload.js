// Built by `npm run build` from app/javascript; edit the sources, not this file.

// session_reload/index.js
var KEY = "pipeline_health_reload";
var INTERVAL_MS = 6e4;
function reload() {
  const last = Number(sessionStorage.getItem(KEY));
  if (Date.now() - last < INTERVAL_MS) return;
  sessionStorage.setItem(KEY, String(Date.now()));
  location.reload();
}
export {
  reload as default
};
