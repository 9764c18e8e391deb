// The points of a plot, as the kernel has sent them.

class Points {
  constructor(most) {
    this.most = most;
    this.replace([], 0, new Float64Array(0));
  }

  // columns: x of all points, then y of all points of each series
  replace(names, first, columns) {
    this.names = names;
    this.count = 0;
    this.end = first;
    this.sorted = true;
    this.columns = [null, ...names].map(() => new Float64Array(2 * this.most));
    this.extend(first, columns);
  }

  // false: points before these are missing, so all must be sent again
  extend(first, columns) {
    const width = this.names.length + 1;
    const sent = columns.length / width;
    const known = Math.min(sent, Math.max(0, this.end - first));
    const complete = first <= this.end;
    const fresh = Math.min(sent - known, this.most);
    if (this.count + fresh > 2 * this.most) {
      const kept = Math.min(this.count, this.most - fresh);
      for (const column of this.columns) column.copyWithin(0, this.count - kept, this.count);
      this.count = kept;
    }
    this.columns.forEach((column, i) =>
      column.set(columns.subarray((i + 1) * sent - fresh, (i + 1) * sent), this.count));
    const x = this.columns[0];
    for (let i = Math.max(1, this.count); this.sorted && i < this.count + fresh; i++)
      this.sorted = x[i] >= x[i - 1];
    this.count += fresh;
    this.end = first + sent;
    return complete;
  }

  get begin() {
    return Math.max(0, this.count - this.most);
  }

  column(i) {
    return this.columns[i].subarray(this.begin, this.count);
  }
}

function numbers(view) {
  if (!view) return new Float64Array(0);
  // a view into a message need not begin where a number can
  return new Float64Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}
