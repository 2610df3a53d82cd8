const ROW = 20;
const MORE = 15;
const BEFORE_CAUSE = 8;
const KEPT = "pipeline-health-log-";

// What a viewer chose is kept in the browser; where that is forbidden, for this page only.
const recall = (key) => {
  try {
    return localStorage.getItem(KEPT + key) === "true";
  } catch {
    return false;
  }
};
const remember = (key, value) => {
  try {
    localStorage.setItem(KEPT + key, String(value));
  } catch {
    return;
  }
};

const toClipboard = async (text) => {
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
  const area = make("textarea", "", text);
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("The browser does not let this page copy.");
  return undefined;
};

const range = (written) => {
  const found = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(written ?? "");
  if (!found) return null;
  const [from, to] = [Number(found[1]), Number(found[2] ?? found[1])].sort((a, b) => a - b);
  return from > 0 ? { from, to } : null;
};

class Viewer {
  constructor(root, data) {
    this.data = data;
    this.wrap = recall("wrap");
    this.times = recall("times");
    this.wanted = "";
    this.current = 0;
    this.selected = null;
    this.pinned = null;
    this.elements = new Map();
    this.source = new Source(data.base, (error) => this.arrived(error));
    this.toolbar = new Toolbar(this);
    this.view = make("div", "ph-lv-view");
    this.view.tabIndex = 0;
    this.view.setAttribute("role", "region");
    this.view.setAttribute("aria-label", `Log of ${data.name}`);
    this.space = make("div", "ph-lv-space");
    this.body = make("div", "ph-lv-rows");
    this.space.append(this.body);
    this.view.append(this.space);
    this.foot = make("div", "ph-lv-foot", "Opening the log …");
    root.classList.toggle("ph-lv-embedded", data.embedded);
    root.append(this.toolbar.element, this.toolbar.list, this.view, this.foot);
    root.addEventListener("keydown", (event) => this.onKey(event));
    this.view.addEventListener("scroll", () => this.schedule(), { passive: true });
    for (const kind of ["wheel", "touchstart", "pointerdown", "keydown"])
      this.view.addEventListener(kind, () => { this.pinned = null; }, { passive: true });
    // Only what is seen, or soon will be: a run may have a hundred failed jobs.
    const near = { root: root.closest("[data-testid=stMain]"), rootMargin: "1500px 0px" };
    this.seen = new IntersectionObserver((entries) => entries.some((each) => each.isIntersecting) && this.open(), near);
    this.seen.observe(root);
    this.resized = new ResizeObserver(() => this.resize());
    this.resized.observe(this.view);
    this.resized.observe(document.documentElement);
  }

  close() {
    this.seen.disconnect();
    this.resized.disconnect();
  }

  async open() {
    this.seen.disconnect();
    try {
      this.outline = await this.source.json("outline");
    } catch (error) {
      this.foot.textContent = error.message;
      return;
    }
    const { lines, groups, cause, marks } = this.outline;
    this.foot.textContent = this.footing();
    this.toolbar.fill(this.outline, this.data);
    this.fit();
    if (!lines) return;
    this.rows = new Rows(lines, groups);
    const telling = [cause, ...marks.filter(([, kind]) => kind === "error").map(([line]) => line)].filter(Boolean);
    this.rows.foldAll(true, ([first, last]) => telling.some((line) => first <= line && line <= last));
    this.start(cause ?? telling.at(-1));
  }

  footing() {
    const { lines, left_out: leftOut, truncated } = this.outline;
    const parts = [`${lines.toLocaleString("en")} lines`];
    if (leftOut) parts.push(`${leftOut.toLocaleString("en")} more are in the download`);
    if (truncated) parts.push("GitHub's log was longer than what is stored");
    return parts.join(" · ");
  }

  start(telling) {
    const asked = range(this.data.line);
    if (asked && asked.from <= this.rows.lines) {
      this.measure();
      this.choose(asked.from, Math.min(asked.to, this.rows.lines), false);
      return;
    }
    if (telling && this.data.embedded && telling > BEFORE_CAUSE + 2) {
      this.rows.gap = telling - BEFORE_CAUSE - 1;
      this.rows.layOut();
    }
    this.measure();
    this.show(telling ?? (this.data.embedded ? this.rows.lines : 1));
  }

  // Called again by Streamlit; an address that names other lines is followed.
  update(data) {
    const moved = data.line !== this.data.line;
    this.data = data;
    const asked = moved && this.rows && range(data.line);
    if (asked && `${asked.from}-${asked.to}` !== `${this.selected?.from}-${this.selected?.to}`)
      this.choose(Math.min(asked.from, this.rows.lines), Math.min(asked.to, this.rows.lines), false);
  }

  measure() {
    this.heights = new Heights(this.rows.count, ROW);
    this.elements.clear();
    this.render();
  }

  // As high as the window leaves below what stands above, and never a mere slit.
  fit() {
    if (this.data.embedded) return;
    const main = this.view.closest("[data-testid=stMain]");
    const top = this.view.getBoundingClientRect().top + (main?.scrollTop ?? 0);
    this.view.style.maxHeight = `${Math.round(Math.max(innerHeight - top - 48, innerHeight * 0.6, 320))}px`;
  }

  resize() {
    this.fit();
    if (this.rows && this.wrap && this.width !== this.view.clientWidth) this.again(() => {});
    else this.schedule();
    this.width = this.view.clientWidth;
  }

  schedule() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.render();
    });
  }

  arrived(error) {
    if (error) this.foot.textContent = error.message;
    else if (this.foot.textContent !== this.footing()) this.foot.textContent = this.footing();
    this.schedule();
  }

  // Changes how rows are laid out and keeps the same line where it stands.
  again(change) {
    const line = this.lineInView();
    const before = this.heights.offset(this.rows.rowOf(line)) - this.view.scrollTop;
    change();
    this.heights = new Heights(this.rows.count, ROW);
    this.elements.clear();
    this.pin(this.rows.rowOf(line), before);
  }

  pin(row, above) {
    this.pinned = { row, above };
    this.space.style.height = `${this.heights.offset(this.rows.count)}px`;
    this.view.scrollTop = this.heights.offset(row) - above;
    this.render();
  }

  lineInView() {
    if (!this.rows) return 1;
    return this.rows.lineAt(this.heights.find(this.view.scrollTop)) || this.rows.gap + 1;
  }

  show(line, current = false) {
    this.current = current ? line : 0;
    if (this.rows.reveal(line)) this.heights = new Heights(this.rows.count, ROW);
    this.elements.clear();
    const row = this.rows.rowOf(line);
    const above = this.data.embedded && this.rows.gap ? ROW * (BEFORE_CAUSE + 1) : this.view.clientHeight / 3;
    this.view.scrollLeft = 0;
    this.pin(row, Math.max(above, 0));
  }

  render() {
    if (!this.rows) return;
    const { view, heights, rows } = this;
    view.classList.toggle("ph-lv-wrap", this.wrap);
    this.space.style.height = `${heights.offset(rows.count)}px`;
    const top = heights.find(view.scrollTop);
    const first = Math.max(top - MORE, 0);
    const last = Math.min(heights.find(view.scrollTop + view.clientHeight) + MORE, rows.count - 1);
    const anchor = this.pinned ?? { row: top, above: heights.offset(top) - view.scrollTop };
    this.want(first, last);
    this.put(first, last);
    if (this.wrap && this.measured(first)) {
      this.space.style.height = `${heights.offset(rows.count)}px`;
      view.scrollTop = heights.offset(anchor.row) - anchor.above;
      this.schedule();
    }
    this.body.style.transform = `translateY(${heights.offset(first)}px)`;
    if (!this.wrap) this.space.style.minWidth = `${Math.max(this.body.scrollWidth, parseFloat(this.space.style.minWidth) || 0)}px`;
    else this.space.style.minWidth = "";
  }

  // Lines in view, in as few runs as folds leave.
  want(first, last) {
    let from = 0;
    let to = 0;
    const runs = [];
    for (let row = first; row <= last; row++) {
      const line = this.rows.lineAt(row);
      if (!line) continue;
      if (!from) from = line;
      else if (line - to > CHUNK) {
        runs.push([from, to]);
        from = line;
      }
      to = line;
    }
    if (from) runs.push([from, to]);
    this.source.want(runs);
  }

  put(first, last) {
    const wanted = [];
    for (let row = first; row <= last; row++) wanted.push(this.element(this.rows.lineAt(row)));
    const kept = new Set(wanted);
    for (const each of [...this.body.children]) if (!kept.has(each)) each.remove();
    let at = this.body.firstChild;
    for (const each of wanted) {
      if (each === at) at = at.nextSibling;
      else this.body.insertBefore(each, at);
    }
    if (this.elements.size > 2000) this.elements.clear();
  }

  element(number) {
    const known = this.elements.get(number);
    if (known) return known;
    const line = number ? this.source.line(number) : null;
    const found = number ? this.row(number, line) : this.gapRow();
    if (line || !number) this.elements.set(number, found);
    return found;
  }

  row(number, line) {
    const chosen = this.selected && this.selected.from <= number && number <= this.selected.to;
    const classes = [
      chosen && "ph-lv-selected", number === this.outline.cause && "ph-lv-cause", number === this.current && "ph-lv-current",
    ].filter(Boolean);
    const last = this.rows.last.get(number);
    const folded = this.rows.folded.has(number);
    const fold = last && { folded, size: last - number, toggle: () => this.fold(number, !folded) };
    return drawn(number, line, {
      classes, fold, times: this.times, wanted: this.wanted,
      onNumber: (line, more) => this.choose(more && this.selected ? this.selected.anchor : line, line, true, !more),
    });
  }

  gapRow() {
    const row = make("div", "ph-lv-row ph-lv-gap");
    const lines = this.rows.gap.toLocaleString("en");
    const opener = button("ph-lv-fold", `${lines} lines before`, "", () => this.again(() => {
      this.rows.gap = 0;
      this.rows.layOut();
    }));
    opener.setAttribute("aria-expanded", "false");
    row.append(opener);
    return row;
  }

  measured(first) {
    let changed = false;
    [...this.body.children].forEach((each, index) => {
      changed = this.heights.set(first + index, Math.max(each.offsetHeight, ROW)) || changed;
    });
    return changed;
  }

  fold(first, folded) {
    const above = this.heights.offset(this.rows.rowOf(first)) - this.view.scrollTop;
    this.rows.fold(first, folded);
    this.heights = new Heights(this.rows.count, ROW);
    this.elements.clear();
    this.pin(this.rows.rowOf(first), above);
    this.body.querySelector(`[data-line="${first}"] .ph-lv-fold`)?.focus({ preventScroll: true });
  }

  foldAll(folded) {
    this.again(() => this.rows.foldAll(folded));
  }

  setWrap(on) {
    this.again(() => { this.wrap = on; });
  }

  setTimes(on) {
    this.again(() => { this.times = on; });
  }

  highlight(wanted) {
    this.wanted = wanted;
    this.current = 0;
    this.elements.clear();
    this.render();
  }

  // Marks lines, brings them into view where they are not, and on a page of its own puts them into the address.
  choose(from, to, byHand = false, anew = true) {
    const anchor = anew ? from : (this.selected?.anchor ?? from);
    this.selected = { from: Math.min(from, to), to: Math.max(from, to), anchor };
    if (byHand) {
      this.elements.clear();
      this.render();
    } else this.show(this.selected.from, false);
    if (!this.data.embedded) history.replaceState(history.state, "", this.address());
  }

  address() {
    const url = new URL(this.data.page, document.baseURI);
    const { from, to } = this.selected ?? {};
    if (from) url.searchParams.set("line", from === to ? from : `${from}-${to}`);
    return url.href;
  }

  problem(by) {
    const lines = this.outline.marks.map(([line]) => line);
    if (!lines.length) return;
    const here = this.selected?.from ?? this.lineInView() - (by > 0 ? 1 : 0);
    const next = by > 0 ? lines.find((line) => line > here) : lines.findLast((line) => line < here);
    const line = next ?? (by > 0 ? lines[0] : lines.at(-1));
    this.choose(line, line);
  }

  async copy() {
    const { from, to } = this.selected ?? {};
    await this.say(this.toolbar.copied, "Copied", async () =>
      toClipboard(from ? await this.source.text(from, to) : await (await this.source.ask("text", { plain: 1 })).text()));
  }

  async copyLink() {
    await this.say(this.toolbar.link, "Copied", () => toClipboard(this.address()));
  }

  async say(element, done, action) {
    const before = element.textContent;
    try {
      await action();
      element.textContent = done;
      setTimeout(() => { element.textContent = before; }, 1500);
    } catch (error) {
      this.foot.textContent = error.message;
    }
  }

  onKey(event) {
    const typing = event.target.tagName === "INPUT";
    const find = (event.ctrlKey || event.metaKey) && event.key === "f";
    if (find || (event.key === "/" && !typing)) {
      event.preventDefault();
      event.stopPropagation();
      this.toolbar.input.select();
    } else if (!typing && !event.ctrlKey && !event.metaKey && !event.altKey && (event.key === "n" || event.key === "p")) {
      event.preventDefault();
      this.problem(event.key === "n" ? 1 : -1);
    }
  }
}

const viewers = new WeakMap();
const rootOf = (component) => component.parentElement.querySelector(".ph-lv");

// Streamlit calls this again whenever what it sends has changed.
export function show(component) {
  const { data } = component;
  const root = rootOf(component);
  const before = viewers.get(root);
  if (before?.data.base === data.base) before.update(data);
  else {
    before?.close();
    root.replaceChildren();
    viewers.set(root, new Viewer(root, data));
  }
}

export function close(component) {
  viewers.get(rootOf(component))?.close();
}

const sheet = new CSSStyleSheet();
sheet.replaceSync(STYLES);
document.adoptedStyleSheets.push(sheet);
