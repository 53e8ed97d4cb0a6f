// Page of an image service or map service.

import { showGrid } from "./grid.js";
import { showMap } from "./map.js";
import { getPage, wait } from "./rest.js";

const COUNTING_INTERVAL_MS = 3000;

const { map, lods, layerOptions } = showMap();
showGrid(map, lods, layerOptions);

// Replace the table of levels until the tiles are counted.
async function followCounting() {
  for (;;) {
    const levels = document.getElementById("levels");
    const { counting, token } = levels.dataset;
    if (!counting) return;
    await wait(COUNTING_INTERVAL_MS);
    const counted = (await getPage(counting, token)).getElementById("levels");
    if (counted && !counted.dataset.counting) levels.replaceWith(counted);
  }
}

// Browsers offer the clipboard to pages of secure origins only.
function offerCopy() {
  const [field, button] = [document.getElementById("tile-url"), document.getElementById("copy-url")];
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(field.value);
    button.textContent = "Copied";
  });
}

offerCopy();
followCounting();
