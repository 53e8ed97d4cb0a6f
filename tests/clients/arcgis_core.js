// A page's script that uses a service with @arcgis/core, which must be installed in tests/clients/environment; bundled by
// esbuild. `useService` takes the URL of the list of services, and returns for each part what it got, or the error.
// `logIn` takes the same URL and a `username` and `password`; the token is used from then on.
import esriConfig from "./environment/node_modules/@arcgis/core/config.js";
import esriId from "./environment/node_modules/@arcgis/core/identity/IdentityManager.js";
import ServerInfo from "./environment/node_modules/@arcgis/core/identity/ServerInfo.js";
import ImageryTileLayer from "./environment/node_modules/@arcgis/core/layers/ImageryTileLayer.js";
import TileLayer from "./environment/node_modules/@arcgis/core/layers/TileLayer.js";
import Map from "./environment/node_modules/@arcgis/core/Map.js";
import * as geoprocessor from "./environment/node_modules/@arcgis/core/rest/geoprocessor.js";
import { whenOnce } from "./environment/node_modules/@arcgis/core/core/reactiveUtils.js";
import MapView from "./environment/node_modules/@arcgis/core/views/MapView.js";

const POLLING_RATE_MS = 100;
esriConfig.assetsPath = `${location.origin}/assets`;

async function attempt(action) {
  try {
    return await action();
  } catch (error) {
    return { error: error.message };
  }
}

/** Show a layer on a map. Return its levels, the size of a tile in pixels, and the number of colours on the map. */
async function showLayer(Layer, url) {
  const layer = new Layer({ url });
  await layer.load();
  const tile = await layer.fetchTile(1, 0, 0, {});
  const { width, height } = tile.pixelBlock ?? tile;
  const view = new MapView({ container: "map", map: new Map({ layers: [layer] }) });
  await view.whenLayerView(layer);
  await whenOnce(() => !view.updating);
  const screenshot = await view.takeScreenshot();
  const colours = new Set(new Uint32Array(screenshot.data.data.buffer)).size;
  view.destroy();
  return { levels: layer.tileInfo.lods.length, width, height, colours };
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

window.logIn = async (url, login) => {
  const { authInfo } = await (await fetch(`${url.replace("/services", "/info")}?f=json`)).json();
  const server = new ServerInfo({ server: url.replace("/rest/services", ""), tokenServiceUrl: authInfo.tokenServicesUrl });
  const { token, expires } = await esriId.generateToken(server, login);
  esriId.registerToken({ server: url, token, expires, userId: login.username });
};

window.useService = async (url, parameters) => ({
  tileLayer: await attempt(() => showLayer(TileLayer, `${url}/World/MapServer`)),
  imageryTileLayer: await attempt(() => showLayer(ImageryTileLayer, `${url}/World/ImageServer`)),
  export: await attempt(() => exportTiles(url, parameters)),
});
