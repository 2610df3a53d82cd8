// Which lines are seen, and where. A folded group takes the room of its first line, the gap before the cause that of
// one row. Rows count from 0, lines from 1.
class Rows {
  constructor(lines, groups) {
    this.lines = lines;
    this.groups = groups;
    this.last = new Map(groups);
    this.folded = new Set();
    this.gap = 0;
    this.layOut();
  }

  layOut() {
    this.segments = [];
    let row = 0;
    let line = 1;
    const add = (until, gap) => {
      this.segments.push({ row, line, gap });
      row += gap ? 1 : until - line + 1;
      line = until + 1;
    };
    if (this.gap) add(this.gap, true);
    for (const [first, last] of this.groups) {
      if (first < line || !this.folded.has(first)) continue;
      add(first, false);
      line = last + 1;
    }
    if (line <= this.lines) add(this.lines, false);
    this.count = row;
  }

  segment(value, key) {
    let low = 0;
    let high = this.segments.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.segments[middle][key] <= value) low = middle;
      else high = middle - 1;
    }
    return this.segments[low];
  }

  // The line of a row; 0 is the gap.
  lineAt(row) {
    const found = this.segment(row, "row");
    return found.gap ? 0 : found.line + row - found.row;
  }

  // The row of a line, or of what it is folded away in.
  rowOf(line) {
    const found = this.segment(line, "line");
    if (found.gap) return found.row;
    const index = this.segments.indexOf(found);
    const next = this.segments[index + 1]?.row ?? this.count;
    return Math.min(found.row + line - found.line, next - 1);
  }

  fold(first, folded) {
    if (folded) this.folded.add(first);
    else this.folded.delete(first);
    this.layOut();
  }

  foldAll(folded, except = () => false) {
    this.folded = new Set(folded ? this.groups.filter((group) => !except(group)).map(([first]) => first) : []);
    this.layOut();
  }

  // Makes a line seen; true where something had to be unfolded.
  reveal(line) {
    let changed = false;
    if (line <= this.gap) {
      this.gap = 0;
      changed = true;
    }
    for (const [first, last] of this.groups) {
      if (first < line && line <= last && this.folded.delete(first)) changed = true;
    }
    if (changed) this.layOut();
    return changed;
  }
}

// Heights of rows, most of them the same: the others' differences stand in a Fenwick tree, so that a hundred thousand
// rows cost no more than those that were measured.
class Heights {
  constructor(count, each) {
    this.count = count;
    this.each = each;
    this.tree = new Float64Array(count + 1);
    this.own = new Map();
    this.top = 1;
    while (this.top * 2 <= count) this.top *= 2;
  }

  set(row, height) {
    const change = height - (this.own.get(row) ?? this.each);
    if (!change) return false;
    this.own.set(row, height);
    for (let place = row + 1; place <= this.count; place += place & -place) this.tree[place] += change;
    return true;
  }

  // Where a row begins.
  offset(row) {
    let sum = row * this.each;
    for (let place = row; place > 0; place -= place & -place) sum += this.tree[place];
    return sum;
  }

  // The row at this height.
  find(offset) {
    let row = 0;
    let left = offset;
    for (let step = this.top; step > 0; step >>= 1) {
      if (row + step > this.count) continue;
      const size = step * this.each + this.tree[row + step];
      if (size <= left) {
        row += step;
        left -= size;
      }
    }
    return Math.min(row, Math.max(this.count - 1, 0));
  }
}
