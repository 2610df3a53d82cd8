// Search, problems, and what can be done with the log.
class Toolbar {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = make("div", "ph-lv-bar");
    this.input = make("input", "ph-lv-search");
    Object.assign(this.input, { type: "search", placeholder: "Search the whole log", maxLength: 200, spellcheck: false });
    this.input.setAttribute("aria-label", "Search the whole log");
    this.input.setAttribute("autocomplete", "off");
    this.input.oninput = () => this.later();
    this.input.onkeydown = (event) => this.onKey(event);
    this.status = make("span", "ph-lv-status");
    this.status.setAttribute("role", "status");
    this.steps = make("span", "ph-lv-steps");
    this.steps.append(
      button("", "↑", "Previous line found (Shift+Enter)", () => this.step(-1)),
      button("", "↓", "Next line found (Enter)", () => this.step(1)),
    );
    this.steps.hidden = true;
    this.problems = make("span", "ph-lv-problems");
    this.tools = make("span", "ph-lv-tools");
    const find = make("span", "ph-lv-find");
    find.append(this.input, this.steps, this.status);
    this.element.append(find, this.problems, this.tools);
    this.list = make("div", "ph-lv-list");
    this.list.hidden = true;
    this.found = null;
    this.at = -1;
  }

  toggle(text, label, key, initial, changed) {
    let pressed = initial;
    const element = button("", text, label, () => {
      pressed = !pressed;
      element.setAttribute("aria-pressed", String(pressed));
      remember(key, pressed);
      changed(pressed);
    });
    element.setAttribute("aria-pressed", String(pressed));
    return element;
  }

  fill(outline, data) {
    const viewer = this.viewer;
    this.tools.append(
      this.toggle("Wrap", "Wrap long lines", "wrap", viewer.wrap, (on) => viewer.setWrap(on)),
      this.toggle("Times", "Show when each line was written, UTC", "times", viewer.times, (on) => viewer.setTimes(on)),
    );
    if (outline.groups.length) {
      const folds = button("", "Unfold all", "Unfold or fold all groups", () => {
        viewer.foldAll(folds.textContent === "Fold all");
        folds.textContent = folds.textContent === "Fold all" ? "Unfold all" : "Fold all";
      });
      this.tools.append(folds);
    }
    this.copied = button("", "Copy", "Copy the chosen lines, or the whole log", () => viewer.copy());
    this.link = button("", "Link", "Copy a link to the chosen lines: click on a line number, Shift+click for more", () =>
      viewer.copyLink());
    const download = make("a", "", "Download");
    download.href = `${data.base}/text`;
    download.setAttribute("download", "");
    download.title = "The whole log as a file";
    this.tools.append(this.copied, this.link, download);
    if (data.embedded) {
      const open = make("a", "", "Open");
      Object.assign(open, { href: data.page, target: "_self", title: "This log on a page of its own" });
      this.tools.append(open);
    }
    this.fillProblems(outline);
  }

  fillProblems({ marks, errors, warnings }) {
    if (!marks.length) return;
    const counted = (count, word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
    const parts = [errors && `✕ ${counted(errors, "error")}`, warnings && `! ${counted(warnings, "warning")}`];
    const opener = button("ph-lv-count", parts.filter(Boolean).join(", "), "List them", () => {
      this.list.hidden = !this.list.hidden;
      opener.setAttribute("aria-expanded", String(!this.list.hidden));
      this.viewer.fit();
      this.viewer.render();
    });
    opener.classList.toggle("ph-lv-bad", errors > 0);
    opener.setAttribute("aria-expanded", "false");
    this.problems.append(
      opener,
      button("", "↑", "Previous problem (p)", () => this.viewer.problem(-1)),
      button("", "↓", "Next problem (n)", () => this.viewer.problem(1)),
    );
    for (const [line, kind, text] of marks) {
      const item = button(`ph-lv-mark ph-lv-${kind}`, "", "", () => this.viewer.choose(line, line));
      item.append(make("b", "", SIGNS[kind]), make("span", "ph-lv-said", WORDS[kind]),
        make("span", "ph-lv-where", line.toLocaleString("en")), make("span", "", text || "(no text)"));
      this.list.append(item);
    }
    if (errors + warnings > marks.length)
      this.list.append(make("p", "", `The first ${marks.length.toLocaleString("en")} of ${(errors + warnings).toLocaleString("en")}.`));
  }

  onKey(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      if (this.waiting) this.search().then(() => event.shiftKey && this.step(-1));
      else this.step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.input.value = "";
      this.search();
      this.viewer.view.focus();
    }
  }

  later() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.search(), 250);
  }

  async search() {
    clearTimeout(this.waiting);
    this.waiting = null;
    this.request?.abort();
    const wanted = this.input.value;
    this.found = null;
    this.steps.hidden = true;
    this.status.textContent = "";
    if (!wanted) return this.viewer.highlight("");
    this.request = new AbortController();
    try {
      this.found = await this.viewer.source.json("search", { q: wanted }, this.request.signal);
    } catch (error) {
      if (error.name !== "AbortError") this.status.textContent = error.message;
      return undefined;
    }
    this.viewer.highlight(wanted.toLowerCase());
    const top = this.viewer.lineInView();
    this.at = Math.max(this.found.lines.findIndex((line) => line >= top), 0) - 1;
    this.steps.hidden = !this.found.count;
    return this.step(1);
  }

  step(by) {
    const { lines, count, more } = this.found ?? { lines: [], count: 0 };
    if (!lines.length) {
      if (this.found) this.status.textContent = "Not found";
      return;
    }
    this.at = (this.at + by + lines.length) % lines.length;
    const all = `${count.toLocaleString("en")}${more ? "+" : ""} ${count === 1 ? "line" : "lines"}`;
    this.status.textContent = `${(this.at + 1).toLocaleString("en")} of ${all}`;
    this.viewer.show(lines[this.at], true);
  }
}
