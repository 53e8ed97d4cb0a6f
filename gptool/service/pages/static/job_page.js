// The page of a job that waits or runs: it follows, and at the end gives way to the page of the job's result.

import { get, isRunning, Refusal, wait } from "./jobs.js";

const BETWEEN_POLLS = 1000;

const panel = document.getElementById("job");
const words = JSON.parse(panel.dataset.words);

function showMessages(messages) {
  const list = document.getElementById("job-messages");
  // Messages are only ever added to.
  for (const message of messages.slice(list.children.length)) {
    const item = document.createElement("li");
    item.className = message.type;
    item.textContent = message.description;
    list.append(item);
  }
}

function showProgress(progress) {
  const bar = document.getElementById("job-progress");
  if (progress?.percent === undefined) bar.removeAttribute("value");
  else bar.value = progress.percent;
  document.getElementById("job-words").textContent = progress?.message ?? "";
}

function showJob(job) {
  const status = document.getElementById("job-status");
  status.textContent = words[job.jobStatus] ?? job.jobStatus;
  status.dataset.status = job.jobStatus;
  showProgress(job.progress);
  showMessages(job.messages ?? []);
}

// The page of the ended job. Not a reload: this page may be the answer to a form, which that would send again.
function showEnd() {
  const query = panel.dataset.token ? `?${new URLSearchParams({ token: panel.dataset.token })}` : "";
  location.replace(panel.dataset.job + query);
}

async function follow() {
  for (;;) {
    try {
      const job = await get(panel.dataset.job, panel.dataset.token);
      showJob(job);
      if (!isRunning(job)) return showEnd();
    } catch (error) {
      const refused = error instanceof Refusal;
      document.getElementById("job-words").textContent = refused ? error.message : "The service does not answer yet.";
      if (refused) return undefined;
    }
    await wait(BETWEEN_POLLS);
  }
}

follow();
