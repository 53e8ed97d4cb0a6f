// Page with the form of an export: a map to draw the area of interest on, and an estimate.

import { connectArea } from "./area_field.js";
import { followForm } from "./estimate.js";
import { LevelRange } from "./levels.js";
import { showMap } from "./map.js";
import { QualityPreview } from "./quality.js";

const form = document.getElementById("export");
const { areaOfInterest, optimizeTilesForSize, compressionQuality } = form.elements;
const shown = showMap();
const { drawing, showArea } = connectArea(areaOfInterest, shown);

// A compression quality has no effect unless tiles are optimised for size.
function checkOptimizeTiles() {
  if (compressionQuality.value) optimizeTilesForSize.checked = true;
}

// The middle of the area, or of the map, at the level that the map shows.
function previewPosition() {
  const { map, lods } = shown;
  const { lng: x, lat: y } = drawing.middle() ?? map.getCenter();
  const zoom = Math.max(0, Math.min(lods.length - 1, Math.round(map.getZoom())));
  return { x, y, level: lods[zoom].level };
}

areaOfInterest.addEventListener("input", showArea);
compressionQuality.addEventListener("input", checkOptimizeTiles);
const levelRange = new LevelRange(form);
new QualityPreview(form, previewPosition);
followForm(form, document.getElementById("estimate"), (page, fields) => levelRange.showPage(page, fields));
