/** @typedef {[title: string, rows: [keys: string, action: string][]]} Section */

/**
 * Keys of all pages and of single pages. The keys of one action are separated by spaces.
 * @type {Section[]}
 */
const SECTIONS = [
  [
    "All pages",
    [
      ["Ctrl K", "Open the command palette (macOS: ⌘ K)"],
      ["/", "Search the page; on a page without search, search all logs"],
      ["?", "Show keyboard shortcuts"],
      ["Tab", "Next link, button or field; in tables, arrow keys move between explanations"],
      ["Esc", "Close a dialog or an explanation; leave kiosk mode"],
    ],
  ],
  [
    "Log",
    [
      ["n", "Next error or warning"],
      ["p", "Previous error or warning"],
      ["Ctrl F", "Search the log"],
      ["Enter", "Next match; fold or unfold a group"],
      ["Shift Enter", "Previous match"],
    ],
  ],
];
/**
 * All shortcuts by section: pages, then the keys that work everywhere, then those of single pages.
 * @param {Pick<import("./state.js").NavigationState, "keys" | "pages">} navigation
 * @returns {Section[]}
 */
export const helpSections = ({ keys, pages }) => [
  ["Go to", Object.entries(keys).map(([key, page]) => [`g ${key}`, pages[page]])],
  ...SECTIONS,
];
