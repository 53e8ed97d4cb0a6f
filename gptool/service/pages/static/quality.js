// Control of the compression quality: a slider that writes the field, and a tile of the area before and after.

const UPDATE_DELAY_MS = 250;

const control = document.getElementById("quality-preview");
const slider = document.getElementById("quality-slider");
const tiles = document.getElementById("quality-tiles");

const sizeText = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;

// The URL of a tile in the middle of what is shown, at the level of the map or above it.
function tileUrl(position, fields) {
  const query = new URLSearchParams({ ...position, ...fields });
  return `${control.dataset.url}?${query}`;
}

// The browser's cache answers the second request of the same URL. Return the size, or 0 if there is no tile.
async function showTile(name, url) {
  const response = await fetch(url);
  const bytes = response.status === 200 ? (await response.blob()).size : 0;
  if (!bytes) return 0;
  document.getElementById(name).src = url;
  document.getElementById(`${name}-size`).textContent = sizeText(bytes);
  return bytes;
}

export class QualityPreview {
  // position: returns x, y and level of the tile.
  constructor(form, position) {
    this.form = form;
    this.position = position;
    this.field = form.elements.compressionQuality;
    this.timer = 0;
    control.hidden = false;
    slider.addEventListener("input", () => {
      this.field.value = slider.value;
      this.field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    form.addEventListener("input", () => this.restart());
    this.restart();
  }

  restart() {
    const text = this.field.value;
    if (text) slider.value = text;
    document.getElementById("quality-text").textContent = text || "as stored";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.show(text), UPDATE_DELAY_MS);
  }

  async show(text) {
    tiles.hidden = !text || !this.field.checkValidity();
    if (tiles.hidden) return;
    const position = this.position();
    const { value: tables } = this.form.elements.tables;
    try {
      const before = await showTile("tile-before", tileUrl(position, {}));
      const after = await showTile("tile-after", tileUrl(position, { compressionQuality: text, tables }));
      tiles.hidden = !before || !after;
    } catch {
      tiles.hidden = true; // the service does not respond, which the estimate says
    }
  }
}
