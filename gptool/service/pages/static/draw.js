// Drawing on the map: a polygon by its vertices, a rectangle by dragging or by two opposite corners.

const { L } = window;

// Distance in pixels up to which two positions of the pointer are the same.
const TOLERANCE = 9;

const HINTS = {
  polygon: "Click to add vertices; click the first or the last one to finish. Backspace removes the last vertex.",
  rectangle: "Drag from one corner to the other, or click two opposite corners.",
};

const toPair = ({ lat, lng }) => [lng, lat];

// The corners of the rectangle between two points, in units of the cache.
const rectangleCorners = (a, b) => [
  [a.lng, a.lat],
  [a.lng, b.lat],
  [b.lng, b.lat],
  [b.lng, a.lat],
];

export class Drawing {
  // tools: the element with the buttons. onDrawn: called with the vertices of an area, or with none if it is cleared.
  constructor(map, tools, hint, onDrawn) {
    this.map = map;
    this.tools = tools;
    this.hint = hint;
    this.onDrawn = onDrawn;
    this.tool = null;
    this.points = [];
    this.sketch = L.layerGroup().addTo(map);
    // Two clicks in quick succession are two vertices. Since the last click ends the drawing, zooming by a double click
    // has to be disabled when nothing is drawn, too.
    map.doubleClickZoom.disable();
    this.area = L.polygon([], { className: "area" }).addTo(map);
    tools.addEventListener("click", (event) => this.choose(event.target.closest("button")?.dataset.tool));
    map.on("click", (event) => this.tool === "polygon" && this.addVertex(event.latlng));
    this.listenForRectangles(map.getContainer());
    document.addEventListener("keydown", (event) => this.onKey(event));
  }

  // Show the rings of any number of polygons and holes.
  show(rings) {
    this.area.setLatLngs(rings.map((ring) => ring.map(([x, y]) => [y, x])));
  }

  // The middle of the bounds of the area; null if there is none.
  middle() {
    const bounds = this.area.getBounds();
    return bounds.isValid() ? bounds.getCenter() : null;
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

  finish(vertices) {
    this.start(null);
    this.onDrawn(vertices);
  }

  viewCorners() {
    const bounds = this.map.getBounds();
    return rectangleCorners(bounds.getSouthWest(), bounds.getNorthEast());
  }

  isNear(a, b) {
    return this.map.latLngToContainerPoint(a).distanceTo(this.map.latLngToContainerPoint(b)) <= TOLERANCE;
  }

  addVertex(latlng) {
    const [first, last] = [this.points[0], this.points.at(-1)];
    const isKnown = last && (this.isNear(last, latlng) || this.isNear(first, latlng));
    if (!isKnown) this.points.push(latlng);
    else if (this.points.length > 2) this.finish(this.points.map(toPair));
    this.showSketch(this.points);
  }

  showSketch(vertices) {
    this.sketch.clearLayers();
    if (!this.tool) return;
    L.polygon(vertices, { className: "sketch", interactive: false }).addTo(this.sketch);
    for (const point of this.points) {
      L.circleMarker(point, { radius: 5, className: "vertex", interactive: false }).addTo(this.sketch);
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

  // Pointer events are used because Leaflet has no events for dragging with a finger.
  listenForRectangles(container) {
    const positionOf = (event) => this.map.mouseEventToLatLng(event);
    const draws = (event) => this.tool === "rectangle" && event.isPrimary && !event.target.closest(".leaflet-control");
    container.addEventListener("pointerdown", (event) => {
      if (!draws(event)) return;
      container.setPointerCapture(event.pointerId);
      if (!this.points.length) this.points = [positionOf(event)];
    });
    container.addEventListener("pointermove", (event) => {
      if (draws(event) && this.points.length) this.showSketch(this.rectangleTo(positionOf(event)));
    });
    container.addEventListener("pointerup", (event) => {
      if (!draws(event) || !this.points.length || this.isNear(this.points[0], positionOf(event))) return;
      this.finish(rectangleCorners(this.points[0], positionOf(event)));
    });
  }

  rectangleTo(latlng) {
    return rectangleCorners(this.points[0], latlng).map(([x, y]) => [y, x]);
  }
}
