// A page's script that uses a service with @arcgis/core, which must be installed in tests/clients/environment; bundled by
// esbuild. `useService` takes the URL of the list of services, and returns for each part what it got, or the error.
// `logIn` takes the same URL and a `username` and `password`; the token is used from then on.
import esriConfig from "./environment/node_modules/@arcgis/core/config.js";
import esriId from "./environment/node_modules/@arcgis/core/identity/IdentityManager.js";
import ServerInfo from "./environment/node_modules/@arcgis/core/identity/ServerInfo.js";
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

window.logIn = async (url, login) => {
  const { authInfo } = await (await fetch(`${url.replace("/services", "/info")}?f=json`)).json();
  const server = new ServerInfo({ server: url.replace("/rest/services", ""), tokenServiceUrl: authInfo.tokenServicesUrl });
  const { token, expires } = await esriId.generateToken(server, login);
  esriId.registerToken({ server: url, token, expires, userId: login.username });
};

window.useService = async (url, parameters) => ({
  tileLayer: await attempt(() => showTile(TileLayer, `${url}/World/MapServer`)),
  imageryTileLayer: await attempt(() => showTile(ImageryTileLayer, `${url}/World/ImageServer`)),
  export: await attempt(() => exportTiles(url, parameters)),
});
