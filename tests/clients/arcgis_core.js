// A page's script that uses a service with @arcgis/core, which must be installed in tests/clients/environment; bundled by
// esbuild. `useService` takes the URL of the list of services, and returns for each part what it got, or the error.
import esriConfig from "./environment/node_modules/@arcgis/core/config.js";
import ImageryTileLayer from "./environment/node_modules/@arcgis/core/layers/ImageryTileLayer.js";
import TileLayer from "./environment/node_modules/@arcgis/core/layers/TileLayer.js";
import * as geoprocessor from "./environment/node_modules/@arcgis/core/rest/geoprocessor.js";

const POLLING_RATE_MS = 100;
esriConfig.assetsPath = `${location.origin}/assets`;

async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    return { error: error.message };
  }
}

/** Load a layer, and return its levels and the size in pixels of its tile of level 1, row 0, column 0. */
async function showTile(Layer, url) {
  const layer = new Layer({ url });
  await layer.load();
  const tile = await layer.fetchTile(1, 0, 0, {});
  const image = tile.pixelBlock ?? tile;
  return { levels: layer.tileInfo.lods.length, width: image.width, height: image.height };
}

async function exportTiles(url, parameters) {
  const job = await geoprocessor.submitJob(`${url}/ExportTiles/GPServer/ExportTiles`, parameters);
  await job.waitForJobCompletion({ interval: POLLING_RATE_MS });
  const { value } = await job.fetchResultData("package");
  const response = await fetch(value.url);
  const digest = await crypto.subtle.digest("SHA-256", await response.arrayBuffer());
  const sha256 = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return { status: job.jobStatus, url: value.url, disposition: response.headers.get("content-disposition"), sha256 };
}

window.useService = async (url, parameters) => ({
  tileLayer: await attempt(() => showTile(TileLayer, `${url}/World/MapServer`)),
  imageryTileLayer: await attempt(() => showTile(ImageryTileLayer, `${url}/World/ImageServer`)),
  export: await attempt(() => exportTiles(url, parameters)),
});
