// The field of the area of interest of a form, and its drawing on a map.

import { decimalsFor, polygonText, readRings } from "./area.js";
import { Drawing } from "./draw.js";

// Connect the field with a shown map, see showMap. Return the drawing, and the function that shows the field's area.
export function connectArea(field, { map, service, resolution }) {
  const hint = document.getElementById("map-hint");
  const reference = service.tileInfo.spatialReference;

  // Write a drawn area into the field; its input event shows it on the map and updates the estimate, as if it was typed.
  function writeArea(vertices) {
    field.value = vertices.length ? polygonText(vertices, reference, decimalsFor(resolution)) : "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }

  const drawing = new Drawing(map, document.getElementById("map-tools"), hint, writeArea);

  function showArea() {
    try {
      drawing.show(readRings(field.value, reference));
      hint.textContent = "";
    } catch (error) {
      drawing.show([]);
      hint.textContent = error.message;
    }
  }

  showArea();
  return { drawing, showArea };
}
