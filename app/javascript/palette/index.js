/** @import { Context } from "./dialog.js" */
import { PaletteDialog } from "./dialog.js";
import STYLES from "./palette.css";

/**
 * Opens the command palette; it is loaded when it is opened for the first time.
 * @param {Context} context
 */
export const open = (context) => new PaletteDialog(context).show();

const sheet = new CSSStyleSheet();
sheet.replaceSync(STYLES);
document.adoptedStyleSheets.push(sheet);
