// Runs both tasks and exportTiles with @esri/arcgis-rest-request. Runs where tests/clients/environment has it.
//
// usage: node rest_js.mjs URL < calls.json > answer.json
//
// URL is that of the services. Calls are {"export": arguments, "cancel": arguments, "service": arguments}: of the task
// ExportTiles, of one that is cancelled, and of exportTiles of World. So is the answer: all results, how the cancelled
// job ended, and of the job that was taken up again the result, its files, and the SHA-256 of the first of them.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { JOB_STATUSES, Job, request } from "./environment/node_modules/@esri/arcgis-rest-request/dist/esm/index.js";

const POLLING = 50;
const url = process.argv[2];
const calls = JSON.parse(readFileSync(0, "utf8"));
const task = `${url}/ExportTiles/GPServer/ExportTiles`;

async function exportTiles(params) {
    const job = await Job.submitJob({ url: task, params, pollingRate: POLLING });
    return job.getAllResults();
}

async function whileIts(status, job) {
    while ((await job.getJobInfo()).status === status) {
        await new Promise((resolve) => setTimeout(resolve, POLLING));
    }
}

async function cancel(params) {
    const job = await Job.submitJob({ url: task, params, pollingRate: POLLING });
    await whileIts(JOB_STATUSES.Submitted, job);
    const answered = await job.cancelJob();
    await whileIts(JOB_STATUSES.Cancelling, job);
    const error = await job.waitForCompletion().catch((rejected) => rejected);
    return { answered: answered.jobStatus, name: error.name, status: error.status };
}

async function takeUpAgain(params) {
    const service = `${url}/World/ImageServer/exportTiles`;
    const { jobId } = await request(service, { params });
    const job = await Job.fromExistingJob({ url: service, id: jobId, pollingRate: POLLING });
    const result = await job.getResult("out_service_url");
    const listing = await request(result.value);
    const file = await request(listing.files[0].url, { rawResponse: true, httpMethod: "GET" });
    const digest = createHash("sha256").update(Buffer.from(await file.arrayBuffer())).digest("hex");
    return { result, listing, digest };
}

const answer = {
    export: await exportTiles(calls.export),
    cancel: await cancel(calls.cancel),
    service: await takeUpAgain(calls.service),
};
process.stdout.write(JSON.stringify(answer));
