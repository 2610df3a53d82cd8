const KEY = "pipeline_health_reload";
const INTERVAL_MS = 60_000;

/**
 * Reloads the page, at most once a minute: where the server accepts a session that the page does not accept, the page
 * would reload without end.
 */
export default function reload() {
  const last = Number(sessionStorage.getItem(KEY));
  if (Date.now() - last < INTERVAL_MS) return;
  sessionStorage.setItem(KEY, String(Date.now()));
  location.reload();
}
