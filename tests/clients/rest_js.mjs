// Run the task ExportTiles and the operation exportTiles with @esri/arcgis-rest-request, which must be installed in
// tests/clients/environment.
//
// usage: node rest_js.mjs URL < calls.json > results.json
//
// URL is the URL of the list of services. Calls are {"export": arguments of the task, "cancel": arguments of a job of
// the task that is cancelled, "service": arguments of exportTiles of World}. The results have the same keys: all results
// of the task; how the cancelled job ended; and of the job of exportTiles, which is followed by its id, the result, the
// listing of its files and the SHA-256 of the first one.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { JOB_STATUSES, Job, request } from "./environment/node_modules/@esri/arcgis-rest-request/dist/esm/index.js";

const POLLING_RATE_MS = 50;
const url = process.argv[2];
const calls = JSON.parse(readFileSync(0, "utf8"));
const task = `${url}/ExportTiles/GPServer/ExportTiles`;

async function exportTiles(params) {
    const job = await Job.submitJob({ url: task, params, pollingRate: POLLING_RATE_MS });
    return job.getAllResults();
}

async function waitWhile(status, job) {
    while ((await job.getJobInfo()).status === status) {
        await new Promise((resolve) => setTimeout(resolve, POLLING_RATE_MS));
    }
}

async function cancel(params) {
    const job = await Job.submitJob({ url: task, params, pollingRate: POLLING_RATE_MS });
    await waitWhile(JOB_STATUSES.Submitted, job);
    const response = await job.cancelJob();
    await waitWhile(JOB_STATUSES.Cancelling, job);
    const error = await job.waitForCompletion().catch((rejected) => rejected);
    return { answered: response.jobStatus, name: error.name, status: error.status };
}

async function followById(params) {
    const service = `${url}/World/ImageServer/exportTiles`;
    const { jobId } = await request(service, { params });
    const job = await Job.fromExistingJob({ url: service, id: jobId, pollingRate: POLLING_RATE_MS });
    const result = await job.getResult("out_service_url");
    const listing = await request(result.value);
    const file = await request(listing.files[0].url, { rawResponse: true, httpMethod: "GET" });
    const digest = createHash("sha256").update(Buffer.from(await file.arrayBuffer())).digest("hex");
    return { result, listing, digest };
}

const results = {
    export: await exportTiles(calls.export),
    cancel: await cancel(calls.cancel),
    service: await followById(calls.service),
};
process.stdout.write(JSON.stringify(results));
