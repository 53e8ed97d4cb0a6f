// Log in with @esri/arcgis-rest-request, which must be installed in tests/clients/environment, and estimate an export.
//
// usage: node rest_js_login.mjs URL < login.json > estimate.json
//
// URL is the URL of the list of services, login.json has `username` and `password`.
import { readFileSync } from "node:fs";

import {
    ArcGISIdentityManager,
    Job,
} from "./environment/node_modules/@esri/arcgis-rest-request/dist/esm/index.js";

const services = process.argv[2];
const login = JSON.parse(readFileSync(0, "utf8"));
const authentication = new ArcGISIdentityManager({ ...login, server: services.replace("/rest/services", "") });
await authentication.refreshCredentials();
const job = await Job.submitJob({
    url: `${services}/World/ImageServer/estimateExportTilesSize`,
    params: { levels: "0-1", tilePackage: true },
    pollingRate: 50,
    authentication,
});
process.stdout.write(JSON.stringify((await job.getResult("out_service_url")).value));
