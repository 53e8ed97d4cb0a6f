// Control of the levels of an export: two sliders that write the field, and the tiles of the area at each level.

const control = document.getElementById("level-range");
const [first, last] = [document.getElementById("level-first"), document.getElementById("level-last")];
const rows = [...control.querySelectorAll("tbody tr")];
const ids = rows.map((row) => Number(row.dataset.level));
const UNKNOWN = "…";

// What decides over the tiles of a level.
const areaOf = (fields) => JSON.stringify([fields.get("areaOfInterest"), fields.get("exportExtent")]);

// The first and the last index of the levels that a field names, if it names one level or one range of level ids.
function readRange(text) {
  if (!text.trim()) return [0, ids.length - 1];
  const found = /^\s*(\d+)\s*(?:-\s*(\d+)\s*)?$/.exec(text);
  if (!found) return null;
  const [from, to] = [Number(found[1]), Number(found[2] ?? found[1])];
  const chosen = ids.flatMap((id, i) => (id >= from && id <= to ? [i] : []));
  return chosen.length ? [chosen[0], chosen.at(-1)] : null;
}

function showRange(from, to) {
  [first.value, last.value] = [from, to];
  document.getElementById("level-first-text").textContent = ids[from];
  document.getElementById("level-last-text").textContent = ids[to];
  rows.forEach((row, i) => row.classList.toggle("left-out", i < from || i > to));
}

function fill(row, cells) {
  const [, , tiles, size] = row.cells;
  [tiles.textContent, size.textContent] = cells;
}

export class LevelRange {
  constructor(form) {
    this.form = form;
    this.field = form.elements.levels;
    this.area = areaOf(new FormData(form));
    for (const slider of [first, last]) slider.addEventListener("input", () => this.write(slider));
    form.addEventListener("input", () => this.follow());
    this.follow();
  }

  // The slider that is moved pushes the other one.
  write(moved) {
    const [from, to] = [Number(first.value), Number(last.value)];
    const range = from <= to ? [from, to] : [Number(moved.value), Number(moved.value)];
    const isAll = range[0] === 0 && range[1] === ids.length - 1;
    this.field.value = isAll ? "" : `${ids[range[0]]}-${ids[range[1]]}`;
    showRange(...range);
  }

  follow() {
    const fields = new FormData(this.form);
    control.hidden = fields.get("exportBy") !== "LevelID" || !ids.length;
    const range = readRange(this.field.value);
    if (range) showRange(...range);
    if (areaOf(fields) === this.area) return;
    this.area = areaOf(fields);
    for (const row of rows) fill(row, [UNKNOWN, UNKNOWN]);
  }

  // Show the numbers on the page of an estimate. Selected levels that it does not name have no tiles in the area.
  showPage(page, fields) {
    if (areaOf(fields) !== this.area) return;
    const range = readRange(fields.get("levels"));
    rows.forEach((row, i) => {
      const counted = page.querySelector(`#planned-levels tr[data-level="${row.dataset.level}"]`);
      if (counted) fill(row, [counted.cells[1].textContent, counted.cells[2].textContent]);
      else if (range && i >= range[0] && i <= range[1]) fill(row, ["0", ""]);
    });
  }
}
