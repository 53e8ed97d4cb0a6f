// The form of exportTiles and of its estimate: the area is drawn on the map, and the estimate follows.

import { decimalsFor, polygonText, readRings } from "./area.js";
import { Drawing } from "./draw.js";
import { followForm } from "./estimate.js";
import { showMap } from "./map.js";

const form = document.getElementById("export");
const { areaOfInterest, optimizeTilesForSize, compressionQuality } = form.elements;
const hint = document.getElementById("map-hint");
const { map, service, resolution } = showMap();
const reference = service.tileInfo.spatialReference;
const drawing = new Drawing(map, document.getElementById("map-tools"), hint, writeArea);

// What is drawn is typed for whoever drew it, and goes the same way from there.
function writeArea(corners) {
  areaOfInterest.value = corners.length ? polygonText(corners, reference, decimalsFor(resolution)) : "";
  areaOfInterest.dispatchEvent(new Event("input", { bubbles: true }));
}

function showArea() {
  try {
    drawing.show(readRings(areaOfInterest.value, reference));
    hint.textContent = "";
  } catch (error) {
    drawing.show([]);
    hint.textContent = error.message;
  }
}

// A quality alone does nothing: tiles are recompressed where that is asked for.
function askForRecompression() {
  if (compressionQuality.value) optimizeTilesForSize.checked = true;
}

areaOfInterest.addEventListener("input", showArea);
compressionQuality.addEventListener("input", askForRecompression);
showArea();
followForm(form, document.getElementById("estimate"));
