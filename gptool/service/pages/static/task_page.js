// Page with the form of a task: a map of the cache that is chosen, to draw the area of interest on.

import { connectArea } from "./area_field.js";
import { showMap } from "./map.js";
import { get } from "./rest.js";

const { cache, areaOfInterest } = document.getElementById("task").elements;
const urls = JSON.parse(document.getElementById("map").dataset.caches);
const hidden = document.getElementById("map-figure").cloneNode(true);
let showArea = () => {};

// Replace the map by that of the chosen cache; there is none until one is chosen.
async function showCache() {
  const chosen = cache.value;
  const figure = hidden.cloneNode(true);
  document.getElementById("map-figure").replaceWith(figure);
  showArea = () => {};
  if (!urls[chosen]) return;
  const element = document.getElementById("map");
  const service = await get(urls[chosen]);
  if (cache.value !== chosen) return;
  element.dataset.service = JSON.stringify(service);
  element.dataset.tiles = `${urls[chosen]}/tile`;
  ({ showArea } = connectArea(areaOfInterest, showMap()));
}

cache.addEventListener("input", showCache);
areaOfInterest.addEventListener("input", () => showArea());
showCache();
