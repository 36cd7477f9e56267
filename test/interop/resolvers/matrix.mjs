// Results by case and column, and how they are printed.

export class Matrix {
  #cells = new Map();
  #notes = [];
  #failures = [];

  /** @param columns names, in order @param rows titles, in order */
  constructor(columns, rows) {
    this.columns = columns;
    this.rows = rows;
  }

  get failed() {
    return this.#failures.length;
  }

  /** A cell that was right once and then wrong is wrong. */
  ok(row, column) {
    const key = JSON.stringify([row, column]);
    if (!this.#cells.has(key)) this.#cells.set(key, "ok");
  }

  /** `details` is what one needs to look into it: command, output, log. */
  fail(row, column, reason, details = "") {
    this.#cells.set(JSON.stringify([row, column]), "FAIL");
    this.#failures.push({ row, column, reason, details });
  }

  notApplicable(row, column, reason) {
    if (!this.#notes.includes(reason)) this.#notes.push(reason);
    this.#cells.set(JSON.stringify([row, column]), `n.a. ${this.#notes.indexOf(reason) + 1}`);
  }

  /** Every cell that nothing was said about is a failure: a matrix without empty cells. */
  close() {
    for (const row of this.rows) {
      for (const column of this.columns) {
        if (!this.#cells.has(JSON.stringify([row, column]))) this.fail(row, column, "was not tried");
      }
    }
  }

  /** The failures first, then the matrix: its end is what is seen. */
  print(detailsPerColumn = 3) {
    const shown = new Map();
    for (const { row, column, reason, details } of this.#failures) {
      console.log(`FAIL ${column}: ${row}: ${reason}`);
      const count = (shown.get(column) ?? 0) + 1;
      shown.set(column, count);
      if (count > detailsPerColumn || details === "") continue;
      for (const line of details.trimEnd().split("\n")) console.log(`     | ${line.slice(0, 300)}`);
    }
    const width = Math.max(...this.rows.map((row) => row.length));
    const widths = this.columns.map((column) => Math.max(column.length, 6));
    const line = (title, cells) =>
      console.log(`${title.padEnd(width)}  ${cells.map((cell, i) => cell.padEnd(widths[i])).join("  ")}`.trimEnd());
    line("", this.columns);
    for (const row of this.rows) {
      line(
        row,
        this.columns.map((column) => this.#cells.get(JSON.stringify([row, column])) ?? ""),
      );
    }
    for (const [i, note] of this.#notes.entries()) console.log(`n.a. ${i + 1}: ${note}`);
  }
}
