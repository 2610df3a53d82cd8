import type { Theme } from "./choice.js";

declare global {
  interface Window {
    /** The theme that the user has chosen, set by the document's inline script. */
    __pipelineHealthTheme?: { readonly current: Theme; choose(theme: Theme): void };
  }
}
