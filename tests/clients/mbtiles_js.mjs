// Reads a .mbtiles by @mapbox/mbtiles, the reader of tileserver-gl: prints its information and its tiles as JSON.
// usage: node mbtiles_js.mjs FILE ZOOM/COLUMN/ROW...
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { promisify } from "node:util";

const require = createRequire(new URL("environment/node_modules/", import.meta.url));
const MBTiles = require("@mapbox/mbtiles");
const [file, ...places] = process.argv.slice(2);
const tiles = await promisify((path, done) => new MBTiles(`${path}?mode=ro`, done))(file);
const info = await promisify(tiles.getInfo.bind(tiles))();
const digests = {};
for (const place of places) {
    const [zoom, column, row] = place.split("/").map(Number);
    const [data, headers] = await new Promise((resolve, reject) =>
        tiles.getTile(zoom, column, row, (error, ...found) => (error ? reject(error) : resolve(found))),
    );
    digests[place] = [createHash("sha256").update(data).digest("hex"), headers["Content-Type"]];
}
console.log(JSON.stringify({ info, digests }));
