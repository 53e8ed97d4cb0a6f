// Page with the form of an export: a map to draw the area of interest on, and an estimate.

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

// Write a drawn area into the field; its input event shows it on the map and updates the estimate, as if it was typed.
function writeArea(vertices) {
  areaOfInterest.value = vertices.length ? polygonText(vertices, reference, decimalsFor(resolution)) : "";
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

// A compression quality has no effect unless tiles are optimised for size.
function checkOptimizeTiles() {
  if (compressionQuality.value) optimizeTilesForSize.checked = true;
}

areaOfInterest.addEventListener("input", showArea);
compressionQuality.addEventListener("input", checkOptimizeTiles);
showArea();
followForm(form, document.getElementById("estimate"));
