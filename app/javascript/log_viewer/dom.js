/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {string} [className]
 * @param {string} [text]
 */
export const createElement = (name, className = "", text = undefined) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

/**
 * @param {string} className
 * @param {string} text
 * @param {string} label tooltip, and the accessible name of a button whose text is a symbol
 * @param {(event: MouseEvent) => void} onClick
 */
export const createButton = (className, text, label, onClick) => {
  const element = createElement("button", className, text);
  element.type = "button";
  element.title = label;
  if (label && !/[a-z]/i.test(text)) element.setAttribute("aria-label", label);
  element.onclick = onClick;
  return element;
};

/** @param {number} number */
export const formatCount = (number) => number.toLocaleString("en");

/** @param {string} text */
export const copyToClipboard = async (text) => {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
  // Without HTTPS there is no clipboard API.
  const area = createElement("textarea", "", text);
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  if (!copied) throw new Error("The browser does not allow this page to copy.");
  return undefined;
};
