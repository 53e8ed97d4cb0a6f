// Areas of interest in the forms that the operation accepts: Esri polygons, feature sets and GeoJSON.

const WGS84 = 4326;
const WEB_MERCATOR = [3857, 102100, 102113, 900913];
const EARTH_RADIUS = 6378137;

// Web Mercator's projection is undefined at the poles; its square ends at this latitude, in degrees.
const MAX_LATITUDE = 85.06;

const round = (number, decimals) => Number(number.toFixed(decimals));

// Twice the signed area of a ring: positive if its vertices run counter-clockwise.
function doubleSignedArea(ring) {
  return ring.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = ring[(i + 1) % ring.length];
    return sum + x * nextY - nextX * y;
  }, 0);
}

// The number of decimals that resolves a hundredth of a pixel.
export const decimalsFor = (resolution) => Math.min(15, Math.max(0, 2 - Math.floor(Math.log10(resolution))));

// The JSON of an Esri polygon. Its outer rings are closed and run clockwise.
export function polygonText(vertices, reference, decimals) {
  const ring = vertices.map(([x, y]) => [round(x, decimals), round(y, decimals)]);
  if (doubleSignedArea(ring) > 0) ring.reverse();
  return JSON.stringify({ rings: [[...ring, ring[0]]], spatialReference: reference });
}

const wkids = (reference) => [reference?.wkid, reference?.latestWkid].filter(Boolean);
const hasWkidIn = (reference, known) => wkids(reference).some((wkid) => known.includes(wkid));

function toWebMercator([longitude, latitude]) {
  const clamped = Math.max(-MAX_LATITUDE, Math.min(MAX_LATITUDE, latitude));
  const y = Math.atanh(Math.sin((clamped * Math.PI) / 180)) * EARTH_RADIUS;
  return [(longitude * Math.PI * EARTH_RADIUS) / 180, y];
}

// The function that transforms points from one spatial reference to that of the map. The service supports more.
function transformTo(mapReference, from) {
  if (!wkids(from).length && !from?.wkt) return (point) => point;
  if (hasWkidIn(from, wkids(mapReference)) || (from.wkt && from.wkt === mapReference?.wkt)) return (point) => point;
  if (hasWkidIn(from, WEB_MERCATOR) && hasWkidIn(mapReference, WEB_MERCATOR)) return (point) => point;
  if (hasWkidIn(from, [WGS84]) && hasWkidIn(mapReference, WEB_MERCATOR)) return toWebMercator;
  throw new Error("The area has another spatial reference than the map, so it is not shown.");
}

function geojsonRings(value) {
  switch (value.type) {
    case "FeatureCollection":
      return value.features.flatMap(geojsonRings);
    case "Feature":
      return geojsonRings(value.geometry);
    case "GeometryCollection":
      return value.geometries.flatMap(geojsonRings);
    case "MultiPolygon":
      return value.coordinates.flat();
    default:
      return value.coordinates;
  }
}

function transformedRings(value, mapReference) {
  if (typeof value.type === "string") {
    const transform = transformTo(mapReference, { wkid: WGS84 });
    return geojsonRings(value).map((ring) => ring.map(transform));
  }
  const features = value.features ?? [value];
  return features.flatMap((feature) => {
    const geometry = feature.geometry ?? feature;
    const transform = transformTo(mapReference, geometry.spatialReference ?? value.spatialReference);
    return geometry.rings.map((ring) => ring.map(transform));
  });
}

const isRing = (ring) => ring.length > 0 && ring.flat().every(Number.isFinite);

// The rings of an area as text, in the spatial reference of the map. An Error states why the area cannot be shown,
// which does not mean that the service rejects it.
export function readRings(text, mapReference) {
  if (!text.trim()) return [];
  let rings;
  try {
    rings = transformedRings(JSON.parse(text), mapReference);
  } catch (error) {
    const isInvalid = error instanceof SyntaxError || error instanceof TypeError;
    throw isInvalid ? new Error("The area is not a polygon in JSON.") : error;
  }
  if (!rings.every(isRing)) throw new Error("A vertex of the area is not a pair of numbers.");
  return rings;
}
