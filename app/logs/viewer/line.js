// One line as elements. Text of a log only ever becomes text.
const SIGNS = { error: "✕", warning: "!", notice: "i" };
const WORDS = { error: "Error: ", warning: "Warning: ", notice: "Notice: " };
const FLAGS = ["bold", "dim", "italic", "underline", "strike"];

const make = (name, className, text) => {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};

const button = (className, text, label, action) => {
  const element = make("button", className, text);
  element.type = "button";
  element.title = label;
  // What is written on it names it, where that is a word.
  if (label && !/[a-z]/i.test(text)) element.setAttribute("aria-label", label);
  element.onclick = action;
  return element;
};

const styled = (text, style) => {
  const piece = make("span", FLAGS.filter((flag) => style[flag]).map((flag) => `ph-lv-${flag}`).join(" "));
  if (style.text) piece.style.color = `light-dark(${style.text[0]}, ${style.text[1]})`;
  if (style.ground) piece.style.backgroundColor = style.ground[0];
  piece.append(text);
  return piece;
};

// Pieces cut at the places where the searched text begins and ends, which may lie across several of them.
const withHits = (pieces, wanted) => {
  const whole = pieces.map(([text]) => text).join("");
  const lower = whole.toLowerCase();
  if (!wanted || lower.length !== whole.length) return pieces.map(([text, style]) => [text, style, false]);
  const cuts = [];
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + wanted.length))
    cuts.push([at, at + wanted.length]);
  const found = [];
  let start = 0;
  let next = 0;
  for (const [text, style] of pieces) {
    let place = 0;
    while (place < text.length) {
      while (next < cuts.length && cuts[next][1] <= start + place) next++;
      const [from, to] = cuts[next] ?? [Infinity, Infinity];
      const hit = from <= start + place;
      const until = Math.min(text.length, (hit ? to : from) - start);
      found.push([text.slice(place, until), style, hit]);
      place = until;
    }
    start += text.length;
  }
  return found;
};

const content = (line, wanted) => {
  const element = make("span", "ph-lv-text");
  const pieces = typeof line.content === "string" ? [[line.content, -1]] : line.content;
  for (const [text, number, hit] of withHits(pieces, wanted)) {
    const marked = hit ? make("mark", "", text) : text;
    element.append(number >= 0 && line.styles[number] ? styled(marked, line.styles[number]) : marked);
  }
  if (line.cut) element.append(make("i", "ph-lv-cut", ` … ${line.cut.toLocaleString("en")} more characters`));
  return element;
};

const clock = (at) => {
  const element = make("time", "ph-lv-time", at ? new Date(at).toISOString().slice(11, 23) : "");
  if (at) element.dateTime = element.title = new Date(at).toISOString();
  return element;
};

// `fold`: null, or whether it is folded, how many lines that hides, and what turns it over.
const drawn = (number, line, { classes, times, wanted, fold, onNumber }) => {
  const row = make("div", ["ph-lv-row", line?.kind && `ph-lv-${line.kind}`, ...classes].filter(Boolean).join(" "));
  row.dataset.line = number;
  const name = button("ph-lv-n", String(number), `Line ${number}`, (event) => onNumber(number, event.shiftKey));
  name.tabIndex = -1;
  const sign = make("span", "ph-lv-sign", classes.includes("ph-lv-cause") ? "▶" : (SIGNS[line?.kind] ?? ""));
  sign.setAttribute("aria-hidden", "true");
  row.append(name, sign);
  if (!line) {
    row.append(make("span", "ph-lv-text ph-lv-waiting", "…"));
    return row;
  }
  if (times) row.append(clock(line.at));
  const text = content(line, wanted);
  if (WORDS[line.kind]) text.prepend(make("span", "ph-lv-said", WORDS[line.kind]));
  if (fold) {
    const opener = button("ph-lv-fold", "", "", fold.toggle);
    opener.title = fold.folded ? "Unfold" : "Fold";
    opener.setAttribute("aria-expanded", String(!fold.folded));
    opener.append(text, make("span", "ph-lv-size", ` ${fold.size.toLocaleString("en")} lines`));
    row.append(opener);
  } else row.append(text);
  return row;
};
