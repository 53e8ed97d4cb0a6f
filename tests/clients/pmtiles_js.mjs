// Reads a .pmtiles by npm's pmtiles: prints its header, its metadata and the SHA-256 of tiles as JSON.
//
// usage: node pmtiles_js.mjs FILE ZOOM/COLUMN/ROW...
import { createHash } from "node:crypto";
import { openSync, readSync } from "node:fs";

import { PMTiles } from "./environment/node_modules/pmtiles/dist/esm/index.js";

const [file, ...places] = process.argv.slice(2);
const descriptor = openSync(file, "r");
const source = {
    getKey: () => file,
    getBytes: async (offset, length) => {
        const data = Buffer.alloc(length);
        const count = readSync(descriptor, data, 0, length, offset);
        return { data: data.buffer.slice(data.byteOffset, data.byteOffset + count) };
    },
};
const archive = new PMTiles(source);
const digests = {};
for (const place of places) {
    const [zoom, column, row] = place.split("/").map(Number);
    const tile = await archive.getZxy(zoom, column, row);
    digests[place] = tile ? createHash("sha256").update(Buffer.from(tile.data)).digest("hex") : null;
}
console.log(JSON.stringify({ header: await archive.getHeader(), metadata: await archive.getMetadata(), digests }));
