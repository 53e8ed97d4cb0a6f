// Map of a cache in its own spatial reference and tiling scheme: coordinates are not transformed.

import { decimalsFor } from "./area.js";

const { L } = window;

// Fraction of a tile's side by which the extent may reach into a tile without selecting it: tiling schemes state rounded
// numbers. See EDGE_TOLERANCE of gptool.model.
const EDGE_TOLERANCE = 1e-6;

// Number of zoom levels above the first and below the last level of the cache, which show enlarged or reduced tiles.
const EXTRA_ZOOMS = 2;

// Levels by descending resolution. A zoom is an index into them, since level ids may start at any number and have gaps.
const sortedLods = (tileInfo) => [...tileInfo.lods].sort((a, b) => b.resolution - a.resolution);

// Between two levels, as while pinching, the scale is interpolated geometrically; beyond them each zoom doubles it.
function scaleAt(scales, zoom) {
  const last = scales.length - 1;
  if (zoom <= 0) return scales[0] * 2 ** zoom;
  if (zoom >= last) return scales[last] * 2 ** (zoom - last);
  const below = Math.floor(zoom);
  return scales[below] * (scales[below + 1] / scales[below]) ** (zoom - below);
}

function zoomAt(scales, scale) {
  const last = scales.length - 1;
  if (scale <= scales[0]) return Math.log2(scale / scales[0]);
  if (scale >= scales[last]) return last + Math.log2(scale / scales[last]);
  const above = scales.findIndex((other) => other > scale);
  const step = Math.log(scales[above] / scales[above - 1]);
  return above - 1 + Math.log(scale / scales[above - 1]) / step;
}

export function makeCrs(tileInfo) {
  const scales = sortedLods(tileInfo).map((lod) => 1 / lod.resolution);
  const { x, y } = tileInfo.origin;
  return L.extend({}, L.CRS.Simple, {
    // Pixels are counted from the origin of the scheme to the right and downwards, so that tiles begin where its do.
    transformation: new L.Transformation(1, -x, -1, y),
    scale: (zoom) => scaleAt(scales, zoom),
    zoom: (scale) => zoomAt(scales, scale),
  });
}

// The zooms of the first and the last level that contain tiles.
function zoomsWithTiles(service, lods) {
  const zooms = lods.flatMap((lod, zoom) =>
    lod.level >= (service.minLOD ?? -Infinity) && lod.level <= (service.maxLOD ?? Infinity) ? [zoom] : [],
  );
  return zooms.length ? [zooms[0], zooms.at(-1)] : [0, lods.length - 1];
}

const toBounds = ({ xmin, ymin, xmax, ymax }, inset = 0) =>
  L.latLngBounds([ymin + inset, xmin + inset], [ymax - inset, xmax - inset]);

function tileLayer(data, lods, options) {
  const layer = L.tileLayer("", options);
  layer.getTileUrl = ({ x, y, z }) => `${data.tiles}/${lods[z].level}/${y}/${x}`;
  return layer;
}

// Show the level whose tiles are displayed.
function showLevel(map, lods, first, last) {
  const { level, scale } = lods[Math.max(first, Math.min(last, Math.round(map.getZoom())))];
  document.getElementById("map-level").textContent = `Level ${level}, 1:${Math.round(scale).toLocaleString("en")}`;
}

// Show the coordinates of the pointer, to a hundredth of a pixel of the finest level.
function showPointer(map, resolution) {
  const text = document.getElementById("map-pointer");
  const decimals = decimalsFor(resolution);
  map.on("mousemove", ({ latlng }) => {
    text.textContent = `x ${latlng.lng.toFixed(decimals)}, y ${latlng.lat.toFixed(decimals)}`;
  });
  map.on("mouseout", () => {
    text.textContent = "";
  });
}

// Show the figure with the map. Return the map, the JSON of its service, its finest resolution, its levels, and the
// options of layers with its tiles.
export function showMap() {
  const element = document.getElementById("map");
  document.getElementById("map-figure").hidden = false;
  const service = JSON.parse(element.dataset.service);
  const { tileInfo } = service;
  const lods = sortedLods(tileInfo);
  const [first, last] = zoomsWithTiles(service, lods);
  const bounds = toBounds(service.fullExtent);
  const reducesMotion = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const zooms = { minZoom: first - EXTRA_ZOOMS, maxZoom: last + EXTRA_ZOOMS };
  const map = L.map(element, {
    ...zooms,
    crs: makeCrs(tileInfo),
    attributionControl: false,
    maxBounds: bounds.pad(1),
    // Zooms between levels are allowed, so that the full extent fits the map well.
    zoomSnap: 0.25,
    zoomAnimation: !reducesMotion,
    fadeAnimation: !reducesMotion,
    inertia: !reducesMotion,
  });
  map.on("zoomend", () => showLevel(map, lods, first, last));
  map.fitBounds(bounds);
  showPointer(map, lods[last].resolution);
  const side = Math.min(tileInfo.cols, tileInfo.rows) * lods[last].resolution;
  const layerOptions = {
    ...zooms,
    minNativeZoom: first,
    maxNativeZoom: last,
    tileSize: L.point(tileInfo.cols, tileInfo.rows),
    bounds: toBounds(service.fullExtent, EDGE_TOLERANCE * side),
  };
  tileLayer(element.dataset, lods, layerOptions).addTo(map);
  return { map, service, resolution: lods[last].resolution, lods, layerOptions };
}
