// Lines as they are asked for, in chunks; the least recently seen go first.
const CHUNK = 250;
const MOST_CHUNKS = 60;

class Source {
  constructor(base, arrived) {
    this.base = base;
    this.arrived = arrived;
    this.chunks = new Map();
    this.asked = new Map();
  }

  async ask(part, query = {}, signal = undefined) {
    const answer = await fetch(`${this.base}/${part}?${new URLSearchParams(query)}`, { signal });
    if (answer.ok) return answer;
    const told = await answer.json().catch(() => ({}));
    throw new Error(told.detail ?? `The dashboard answered ${answer.status}.`);
  }

  async json(part, query, signal) {
    return (await this.ask(part, query, signal)).json();
  }

  // A line, or undefined while it is on its way.
  line(number) {
    const chunk = this.chunks.get(Math.floor((number - 1) / CHUNK));
    const found = chunk?.lines[(number - 1) % CHUNK];
    return found && { at: found[0], kind: found[1], content: found[2], cut: found[3], styles: chunk.styles };
  }

  // Asks for what is missing of these runs of lines, and no longer for what is no longer seen.
  want(runs) {
    const wanted = new Set();
    for (const [first, last] of runs)
      for (let number = Math.floor((first - 1) / CHUNK); number <= Math.floor((last - 1) / CHUNK); number++) wanted.add(number);
    for (const [number, request] of this.asked) {
      if (wanted.has(number)) continue;
      request.abort();
      this.asked.delete(number);
    }
    for (const number of wanted) {
      const kept = this.chunks.get(number);
      if (kept) {
        this.chunks.delete(number);
        this.chunks.set(number, kept);
      } else if (!this.asked.has(number)) this.load(number);
    }
  }

  async load(number) {
    const request = new AbortController();
    this.asked.set(number, request);
    try {
      const chunk = await this.json("lines", { from: number * CHUNK + 1, count: CHUNK }, request.signal);
      this.chunks.set(number, chunk);
      if (this.chunks.size > MOST_CHUNKS) this.chunks.delete(this.chunks.keys().next().value);
      this.arrived(null);
    } catch (error) {
      if (error.name !== "AbortError") this.arrived(error);
    } finally {
      if (this.asked.get(number) === request) this.asked.delete(number);
    }
  }

  // The text of some lines, for the clipboard.
  async text(first, last) {
    const found = [];
    for (let from = first; from <= last; from += 1000) {
      const { lines } = await this.json("lines", { from, count: Math.min(1000, last - from + 1) });
      for (const [, , content] of lines)
        found.push(typeof content === "string" ? content : content.map(([text]) => text).join(""));
    }
    return found.join("\n");
  }
}
