// Page of an image service or map service.

import { showGrid } from "./grid.js";
import { showMap } from "./map.js";
import { getPage, wait } from "./rest.js";

// The interval doubles from the first to the last of these, since a huge cache takes minutes.
const COUNTING_INTERVALS_MS = [2000, 60000];

const { map, lods, layerOptions } = showMap();
showGrid(map, lods, layerOptions);

// Replace the table of levels until the tiles are counted.
async function followCounting() {
  const [first, longest] = COUNTING_INTERVALS_MS;
  let interval = first;
  for (;;) {
    const levels = document.getElementById("levels");
    const { counting } = levels.dataset;
    if (!counting) return;
    await wait(interval);
    interval = Math.min(2 * interval, longest);
    const counted = (await getPage(counting)).getElementById("levels");
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
