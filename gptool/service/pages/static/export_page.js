// Page with the form of an export: a map to draw the area of interest on, and an estimate.

import { decimalsFor, polygonText, readRings } from "./area.js";
import { Drawing } from "./draw.js";
import { followForm } from "./estimate.js";
import { LevelRange } from "./levels.js";
import { showMap } from "./map.js";
import { QualityPreview } from "./quality.js";

const form = document.getElementById("export");
const { areaOfInterest, optimizeTilesForSize, compressionQuality } = form.elements;
const hint = document.getElementById("map-hint");
const { map, service, resolution, lods } = showMap();
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

// The middle of the area, or of the map, at the level that the map shows.
function previewPosition() {
  const { lng: x, lat: y } = drawing.middle() ?? map.getCenter();
  const zoom = Math.max(0, Math.min(lods.length - 1, Math.round(map.getZoom())));
  return { x, y, level: lods[zoom].level };
}

const levelRange = new LevelRange(form);
new QualityPreview(form, previewPosition);
followForm(form, document.getElementById("estimate"), (page, fields) => levelRange.showPage(page, fields));
