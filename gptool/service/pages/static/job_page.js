// Page of a job that is waiting or running: follows the job, and is replaced by the page of the ended job.

import { get, readStatuses, ServiceError, wait } from "./rest.js";

const POLL_INTERVAL_MS = 1000;

const panel = document.getElementById("job");
const text = document.getElementById("job-text");
const statuses = readStatuses(panel);

function showMessages(messages) {
  const list = document.getElementById("job-messages");
  // A job's messages are only appended to.
  for (const message of messages.slice(list.children.length)) {
    const item = document.createElement("li");
    item.dataset.type = message.type;
    item.textContent = message.description;
    list.append(item);
  }
}

function showProgress(progress) {
  const bar = document.getElementById("job-progress");
  if (progress?.percent === undefined) bar.removeAttribute("value");
  else bar.value = progress.percent;
  text.textContent = progress?.message ?? "";
}

function showJob(job) {
  const status = document.getElementById("job-status");
  status.textContent = statuses[job.jobStatus].label;
  status.dataset.status = job.jobStatus;
  showProgress(job.progress);
  showMessages(job.messages ?? []);
}

// Go to the page of the ended job. A reload would not do: this page may be the response to a form, which the browser
// would submit again.
function showEndedJob() {
  location.replace(panel.dataset.job);
}

async function follow() {
  for (;;) {
    try {
      const job = await get(panel.dataset.job);
      showJob(job);
      if (statuses[job.jobStatus].isEnded) return showEndedJob();
    } catch (error) {
      if (error instanceof ServiceError) {
        text.textContent = error.message;
        return undefined;
      }
      text.textContent = "The service is not responding; trying again.";
    }
    await wait(POLL_INTERVAL_MS);
  }
}

follow();
