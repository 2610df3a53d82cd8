import { installTimeSelection, prepareCharts } from "../charts/index.js";
import { installAlertSelection, showAlertSelection } from "./alert_selection.js";
import { announceProblems } from "./announcements.js";
import { installAttention, keepAttentionHeight } from "./attention.js";
import { applyColumns, installColumns, showColumnButtons } from "./columns.js";
import { installDefaultView, showDefaultView } from "./default_view.js";
import { installFocus, restoreFocus } from "./focus.js";
import { installSkipLink, markHeading, markMenuItem } from "./frame.js";
import { installKiosk, showKiosk } from "./kiosk.js";
import { installMyTeam, showMyTeam } from "./my_team.js";
import { installOpenSections } from "./open_sections.js";
import { installPalette, showPaletteKey } from "./palette.js";
import { installPrint } from "./print.js";
import { installRouter } from "./router.js";
import { installRunSelection, showRunSelection } from "./run_selection.js";
import { requestSection, showSection } from "./sections.js";
import { installShortcuts } from "./shortcuts.js";
import { state } from "./state.js";
import { applySortOrder, installTableSort } from "./table_sort.js";
import { installThemeSwitch, showTheme } from "./theme_switch.js";
import { installTooltips, placeTooltip, upgradeTitles } from "./tooltip.js";

let isScheduled = false;

/** Applies the state to what Streamlit has rendered, once a frame. */
const onMutation = () => {
  if (isScheduled) return;
  isScheduled = true;
  requestAnimationFrame(() => {
    isScheduled = false;
    const tables = /** @type {NodeListOf<HTMLTableElement>} */ (document.querySelectorAll("table.ph-table"));
    const steps = [
      // Before the page is painted with the new list.
      keepAttentionHeight,
      announceProblems,
      () => tables.forEach(applySortOrder),
      () => applyColumns(tables),
      showColumnButtons,
      restoreFocus,
      showRunSelection,
      showAlertSelection,
      markMenuItem,
      markHeading,
      showTheme,
      upgradeTitles,
      placeTooltip,
      showKiosk,
      showPaletteKey,
      showDefaultView,
      showMyTeam,
      prepareCharts,
      showSection,
    ];
    for (const step of steps) {
      try {
        step();
      } catch (error) {
        // The other steps do not depend on this one.
        reportError(error);
      }
    }
  });
};

/**
 * The component: links without a reload, keyboard shortcuts, the command palette, sorted tables, selected runs.
 * Installs the listeners of the document once, however often Streamlit mounts it.
 * @param {{ data: Pick<import("./state.js").NavigationState, "pages" | "keys" | "parents" | "filters" | "palette"> }} component
 */
export default function navigation({ data }) {
  Object.assign(state, data);
  if (state.listening) return;
  state.listening = true;
  installRouter();
  installShortcuts();
  installPalette();
  installDefaultView();
  installMyTeam();
  installAttention();
  installTableSort();
  installFocus();
  installColumns();
  installOpenSections();
  installRunSelection();
  installAlertSelection();
  installSkipLink();
  installThemeSwitch();
  installTooltips();
  installKiosk();
  installPrint();
  installTimeSelection();
  requestSection(location.hash);
  // Dialogs and menus are outside the element of the app.
  new MutationObserver(onMutation).observe(document.body, { childList: true, subtree: true });
  // The page may be complete already.
  onMutation();
}
