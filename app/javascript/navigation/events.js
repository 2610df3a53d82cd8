/**
 * The closest element around the event's target that matches a selector.
 * @param {Event} event
 * @param {string} selector
 * @returns {HTMLElement | null}
 */
export const closestTarget = (event, selector) =>
  event.target instanceof Element ? event.target.closest(selector) : null;

/**
 * Whether a click is meant to open a new tab or window, or is not of the main button.
 * @param {MouseEvent} event
 */
export const hasModifier = (event) =>
  event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || event.button > 0;

/** @param {EventTarget | null} target */
export const isTextInput = (target) =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
