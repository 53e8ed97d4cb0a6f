// Page with the form of an export: a map to draw the area of interest on, and an estimate.

import { connectArea } from "./area_field.js";
import { followForm } from "./estimate.js";
import { LevelRange } from "./levels.js";
import { showMap } from "./map.js";
import { QualityPreview } from "./quality.js";

const form = document.getElementById("export");
const { areaOfInterest, optimizeTilesForSize, compressionQuality, tilePackage, maxPartTiles } = form.elements;
const panel = document.getElementById("estimate");
const shown = showMap();
const { drawing, showArea } = connectArea(areaOfInterest, shown);

// A compression quality has no effect unless tiles are optimised for size.
function checkOptimizeTiles() {
  if (compressionQuality.value) optimizeTilesForSize.checked = true;
}

// Parts are tile packages, each within the limit of an export.
function useParts({ currentTarget: button }) {
  button.hidden = true;
  tilePackage.checked = true;
  maxPartTiles.value = panel.dataset.limit;
  maxPartTiles.closest("details").open = true;
  maxPartTiles.dispatchEvent(new Event("input", { bubbles: true }));
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
document.getElementById("use-parts").addEventListener("click", useParts);
const levelRange = new LevelRange(form);
new QualityPreview(form, previewPosition);
followForm(form, panel, (page, fields) => levelRange.showPage(page, fields));
