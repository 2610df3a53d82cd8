import { closestTarget } from "./events.js";
import { currentPage, isPage } from "./pages.js";
import { state } from "./state.js";

const MENU_LINKS = "a[data-testid=stSidebarNavLink]";
/** The target of the skip link (app/streamlit_patches/document.py). */
const CONTENT_ID = "content";

/** Marks the menu's entry of the page that a run, a log or a comparison belongs to. Streamlit marks the current page. */
export const markMenuItem = () => {
  const parent = state.parents[currentPage(location.pathname, state.pages)];
  for (const link of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll(MENU_LINKS))) {
    const url = new URL(link.href);
    const isParent =
      parent !== undefined && isPage(url, location, state.pages) && currentPage(url.pathname, state.pages) === parent;
    link.toggleAttribute("data-contains-page", isParent);
    // The value of the current page is Streamlit's.
    if (isParent) link.setAttribute("aria-current", "true");
    else if (link.getAttribute("aria-current") === "true") link.removeAttribute("aria-current");
  }
};

/** Makes the page's first heading the target of the skip link. */
export const markHeading = () => {
  const heading = document.querySelector("[data-testid=stMain] h1");
  if (!heading || heading.id === CONTENT_ID) return;
  document.getElementById(CONTENT_ID)?.removeAttribute("id");
  heading.id = CONTENT_ID;
  heading.setAttribute("tabindex", "-1");
};

/** @param {MouseEvent} event */
const onClick = (event) => {
  if (!closestTarget(event, "a.ph-skip")) return;
  // The fragment would become part of the URL of the view.
  event.preventDefault();
  const heading = document.getElementById(CONTENT_ID);
  heading?.scrollIntoView({ block: "center" });
  heading?.focus();
};

export const installSkipLink = () => document.addEventListener("click", onClick, true);
