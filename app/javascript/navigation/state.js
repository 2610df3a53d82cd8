/**
 * Streamlit may evaluate the component's script several times in one document. State and listeners belong to the
 * document, so the state is a property of the window.
 *
 * @typedef {object} NavigationState
 * @property {Record<string, string>} pages title by address, relative to the base path
 * @property {Record<string, string>} keys address by the key that follows `g`
 * @property {Record<string, string>} parents address of the page of the menu that a page without an entry belongs to
 * @property {string[]} filters names of the query parameters that filter
 * @property {string} palette address of the script of the command palette
 * @property {boolean} listening whether the listeners are installed
 * @property {string | null} historyPath path of the last step through the history; null after a click on one of
 *   Streamlit's own links
 * @property {{ table: string, column: string } | null} focusedHead the head of a column that the user has clicked
 * @property {boolean} userActed whether the user has acted since the last history entry
 * @property {number} sequenceEnds time in milliseconds until which a key completes the sequence that `g` begins
 * @property {boolean} modifierPressed whether the last click had a modifier key
 * @property {boolean} followsStreamlitLink whether the next address is that of one of Streamlit's own links
 * @property {Set<string>} selectedRuns ids of the runs to compare
 * @property {string} writtenRuns the selected runs that the URL of the list has
 * @property {Set<string>} selectedAlerts ids of the alerts to change together
 * @property {string} writtenAlerts the selected alerts that the URL of the list has
 * @property {string | null} alertChanges the number of changes of selected alerts by the server; null before the first list
 * @property {{ name: string, until: number } | null} section the section to scroll to, and the time in milliseconds
 *   until which it may appear
 * @property {ReturnType<typeof setTimeout> | undefined} clickTimer the click on a mark that may become a double click
 * @property {{ page: string, dates: string, selected: string }[]} replacedDates what drags have replaced, and by what
 */

/** @returns {NavigationState} */
const initialState = () => ({
  pages: {},
  keys: {},
  parents: {},
  filters: [],
  palette: "",
  listening: false,
  historyPath: null,
  focusedHead: null,
  userActed: false,
  sequenceEnds: 0,
  modifierPressed: false,
  followsStreamlitLink: false,
  selectedRuns: new Set(),
  writtenRuns: "",
  selectedAlerts: new Set(),
  writtenAlerts: "",
  alertChanges: null,
  section: null,
  clickTimer: undefined,
  replacedDates: [],
});

const target = /** @type {Window & { __pipelineHealth?: NavigationState }} */ (/** @type {unknown} */ (globalThis));

export const state = (target.__pipelineHealth ??= initialState());
