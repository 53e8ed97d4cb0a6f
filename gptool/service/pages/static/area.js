// Areas of interest as the operation takes them: polygons of Esri's JSON, feature sets, and GeoJSON.

const WGS84 = 4326;
const WEB_MERCATOR = [3857, 102100, 102113, 900913];
const RADIUS = 6378137;
const MOST_NORTHERN = 85.06;

const round = (number, decimals) => Number(number.toFixed(decimals));

// Twice the area in a ring, above 0 where it runs counter-clockwise.
function turn(ring) {
  return ring.reduce((sum, [x, y], i) => {
    const [nextX, nextY] = ring[(i + 1) % ring.length];
    return sum + x * nextY - nextX * y;
  }, 0);
}

// The decimals that tell a hundredth of a pixel of the deepest level.
export const decimalsFor = (resolution) => Math.min(15, Math.max(0, 2 - Math.floor(Math.log10(resolution))));

// A ring of corners as a polygon; outer rings of Esri's run clockwise, and end where they begin.
export function polygonText(corners, reference, decimals) {
  const ring = corners.map(([x, y]) => [round(x, decimals), round(y, decimals)]);
  if (turn(ring) > 0) ring.reverse();
  return JSON.stringify({ rings: [[...ring, ring[0]]], spatialReference: reference });
}

const codes = (reference) => [reference?.wkid, reference?.latestWkid].filter(Boolean);
const isOneOf = (reference, known) => codes(reference).some((code) => known.includes(code));

function mercator([longitude, latitude]) {
  const north = Math.max(-MOST_NORTHERN, Math.min(MOST_NORTHERN, latitude));
  return [(longitude * Math.PI * RADIUS) / 180, Math.atanh(Math.sin((north * Math.PI) / 180)) * RADIUS];
}

// The way of points from one reference into the cache's; the service knows more of them than this page.
function wayInto(cache, from) {
  if (!codes(from).length && !from?.wkt) return (point) => point;
  if (isOneOf(from, codes(cache)) || (from.wkt && from.wkt === cache?.wkt)) return (point) => point;
  if (isOneOf(from, WEB_MERCATOR) && isOneOf(cache, WEB_MERCATOR)) return (point) => point;
  if (isOneOf(from, [WGS84]) && isOneOf(cache, WEB_MERCATOR)) return mercator;
  throw new Error("This area is in another reference than the map, which does not show it.");
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

function placed(value, cache) {
  if (typeof value.type === "string") {
    const way = wayInto(cache, { wkid: WGS84 });
    return geojsonRings(value).map((ring) => ring.map(way));
  }
  const features = value.features ?? [value];
  return features.flatMap((feature) => {
    const geometry = feature.geometry ?? feature;
    const way = wayInto(cache, geometry.spatialReference ?? value.spatialReference);
    return geometry.rings.map((ring) => ring.map(way));
  });
}

const isRing = (ring) => ring.length > 0 && ring.flat().every(Number.isFinite);

// The rings of what was typed, in the cache's reference. An Error says in words why there are none to show: the service
// is the one to judge what it takes.
export function readRings(text, cache) {
  if (!text.trim()) return [];
  let rings;
  try {
    rings = placed(JSON.parse(text), cache);
  } catch (error) {
    throw error instanceof SyntaxError || error instanceof TypeError ? new Error("This is no polygon as JSON.") : error;
  }
  if (!rings.every(isRing)) throw new Error("A vertex is no pair of numbers.");
  return rings;
}
