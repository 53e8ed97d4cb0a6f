// The tile grid on a map, and the coordinates of the pointer.

const { L } = window;

function gridLayer(lods, options) {
  const layer = L.gridLayer({ ...options, className: "grid", pane: "overlayPane" });
  layer.createTile = ({ x, y, z }) => {
    const tile = document.createElement("div");
    tile.textContent = `${lods[z].level}/${y}/${x}`;
    return tile;
  };
  return layer;
}

// Show or hide the grid by the button of the map, whose labels are level, row and column as in the URLs of tiles.
export function showGrid(map, lods, options) {
  const button = document.getElementById("map-grid");
  const layer = gridLayer(lods, options);
  button.addEventListener("click", () => {
    const isShown = map.hasLayer(layer);
    if (isShown) layer.remove();
    else layer.addTo(map);
    button.setAttribute("aria-pressed", String(!isShown));
  });
}
