// Drawing on the map: a polygon by its corners, a rectangle by a drag or by two of its corners.

const { L } = window;

// Pixels within which a press is no drag, and a corner is the one that is pressed again.
const NEAR = 9;

const HINTS = {
  polygon: "Click corners, and the last one twice. Backspace takes one back.",
  rectangle: "Drag from corner to corner, or click two of them.",
};

const toPair = ({ lat, lng }) => [lng, lat];

// The corners of the rectangle between two points, in the cache's units.
const between = (a, b) => [
  [a.lng, a.lat],
  [a.lng, b.lat],
  [b.lng, b.lat],
  [b.lng, a.lat],
];

export class Drawing {
  // tools: the element of its buttons; onDrawn is called with corners, or with none when the area is cleared.
  constructor(map, tools, hint, onDrawn) {
    this.map = map;
    this.tools = tools;
    this.hint = hint;
    this.onDrawn = onDrawn;
    this.tool = null;
    this.points = [];
    this.sketch = L.layerGroup().addTo(map);
    // Two corners in quick succession are no double click, not even the last one, after which nothing is drawn any more.
    map.doubleClickZoom.disable();
    this.area = L.polygon([], { className: "area" }).addTo(map);
    tools.addEventListener("click", (event) => this.choose(event.target.closest("button")?.dataset.tool));
    map.on("click", (event) => this.tool === "polygon" && this.addCorner(event.latlng));
    this.listenForRectangles(map.getContainer());
    document.addEventListener("keydown", (event) => this.onKey(event));
  }

  // Show rings, of any number of polygons and holes.
  show(rings) {
    this.area.setLatLngs(rings.map((ring) => ring.map(([x, y]) => [y, x])));
  }

  choose(tool) {
    if (tool === "clear") this.finish([]);
    else if (tool === "view") this.finish(this.viewCorners());
    else if (tool) this.start(tool === this.tool ? null : tool);
  }

  start(tool) {
    this.tool = tool;
    this.points = [];
    this.sketch.clearLayers();
    this.hint.textContent = HINTS[tool] ?? "";
    for (const button of this.tools.querySelectorAll("[aria-pressed]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    this.map.getContainer().classList.toggle("drawing", tool !== null);
    this.map.getContainer().classList.toggle("dragging-draws", tool === "rectangle");
    this.map.dragging[tool === "rectangle" ? "disable" : "enable"]();
  }

  finish(corners) {
    this.start(null);
    this.onDrawn(corners);
  }

  viewCorners() {
    const bounds = this.map.getBounds();
    return between(bounds.getSouthWest(), bounds.getNorthEast());
  }

  isNear(a, b) {
    return this.map.latLngToContainerPoint(a).distanceTo(this.map.latLngToContainerPoint(b)) <= NEAR;
  }

  addCorner(latlng) {
    const [first, last] = [this.points[0], this.points.at(-1)];
    const again = last && (this.isNear(last, latlng) || this.isNear(first, latlng));
    if (!again) this.points.push(latlng);
    else if (this.points.length > 2) this.finish(this.points.map(toPair));
    this.showSketch(this.points);
  }

  showSketch(corners) {
    this.sketch.clearLayers();
    if (!this.tool) return;
    L.polygon(corners, { className: "sketch", interactive: false }).addTo(this.sketch);
    for (const point of this.points) {
      L.circleMarker(point, { radius: 5, className: "corner", interactive: false }).addTo(this.sketch);
    }
  }

  onKey(event) {
    if (!this.tool) return;
    if (event.key === "Escape") this.start(null);
    if (event.key === "Backspace" && this.tool === "polygon" && !event.target.matches("input, textarea")) {
      this.points.pop();
      this.showSketch(this.points);
    }
  }

  // Pointer events, because Leaflet has none for the drag of a finger.
  listenForRectangles(container) {
    const at = (event) => this.map.mouseEventToLatLng(event);
    const active = (event) => this.tool === "rectangle" && event.isPrimary && !event.target.closest(".leaflet-control");
    container.addEventListener("pointerdown", (event) => {
      if (!active(event)) return;
      container.setPointerCapture(event.pointerId);
      if (!this.points.length) this.points = [at(event)];
    });
    container.addEventListener("pointermove", (event) => {
      if (active(event) && this.points.length) this.showSketch(this.rectangleTo(at(event)));
    });
    container.addEventListener("pointerup", (event) => {
      if (!active(event) || !this.points.length || this.isNear(this.points[0], at(event))) return;
      this.finish(between(this.points[0], at(event)));
    });
  }

  rectangleTo(latlng) {
    return between(this.points[0], latlng).map(([x, y]) => [y, x]);
  }
}
