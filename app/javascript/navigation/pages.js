/** @typedef {Record<string, string>} Pages title by address, relative to the base path */

/**
 * The path that the dashboard is served below, with a slash at its end: a proxy may add a prefix.
 * @param {string} pathname of the current page
 * @param {Pages} pages
 */
export const basePath = (pathname, pages) => {
  const path = pathname.replace(/\/$/, "");
  const page = Object.keys(pages).find((name) => name && path.endsWith(`/${name}`));
  return page ? path.slice(0, -page.length) : `${path}/`;
};

/**
 * The address of the current page, relative to the base path: empty for the first page.
 * @param {string} pathname of the current page
 * @param {Pages} pages
 */
export const currentPage = (pathname, pages) =>
  `${pathname.replace(/\/$/, "")}/`.slice(basePath(pathname, pages).length).replace(/\/$/, "");

/**
 * Whether a URL is a page of the dashboard.
 * @param {URL} url
 * @param {{ origin: string, pathname: string }} location of the current page
 * @param {Pages} pages
 */
export const isPage = (url, location, pages) => {
  const base = basePath(location.pathname, pages);
  if (url.origin !== location.origin || !`${url.pathname}/`.startsWith(base)) return false;
  return Object.hasOwn(pages, url.pathname.slice(base.length).replace(/\/$/, ""));
};
