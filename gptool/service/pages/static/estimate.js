// Estimate beside the form, updated whenever the form changes.

import { get, getPage, post, postBeacon, readStatuses, ServiceError, wait } from "./rest.js";

const UPDATE_DELAY_MS = 400;
const POLL_INTERVAL_MS = 300;

const text = document.getElementById("estimate-text");
const meter = document.getElementById("estimate-meter");
const partsButton = document.getElementById("use-parts");

// The number of tiles relative to the limit, in words.
function describeShare(tiles, limit) {
  const limitText = `limit of ${limit.toLocaleString("en")} tiles per export`;
  if (tiles > limit) return `Exceeds the ${limitText}`;
  const percent = (100 * tiles) / limit;
  return `${tiles && percent < 0.1 ? "Less than 0.1" : percent.toFixed(1)} % of the ${limitText}`;
}

function showState(panel, state, description) {
  panel.dataset.state = state;
  text.textContent = description;
}

// The message about the parts that a result is divided into; undefined if it is not divided. The limit is that of each
// part then.
function partsOf(job) {
  return job.messages?.map(({ description }) => description).find((text) => text.startsWith("The result is divided"));
}

// amounts: the element with the numbers of an estimate, taken from the page of its job.
function showAmounts(panel, amounts, parts) {
  const [tiles, limit] = [Number(amounts.dataset.tiles), Number(panel.dataset.limit)];
  const isOver = tiles > limit && !parts;
  panel.querySelector(".amounts").replaceWith(amounts);
  meter.value = parts ? 0 : Math.min(tiles, limit);
  panel.classList.toggle("over", isOver);
  partsButton.textContent = `Divide into ${Math.ceil(tiles / Math.max(limit, 1)).toLocaleString("en")} or more parts`;
  partsButton.hidden = !isOver || limit === 0;
  showState(panel, "done", parts ?? describeShare(tiles, limit));
}

// The first error message of a failed job states the cause; later ones state that the job failed.
function causeOf(job) {
  const error = job.messages?.find((message) => message.type.endsWith("Error"));
  return error?.description ?? "The estimate failed.";
}

// One estimate. Once it is outdated, it cancels its job at the next poll.
class Estimate {
  constructor(panel, fields, onPage) {
    this.panel = panel;
    this.onPage = onPage;
    this.fields = fields;
    this.statuses = readStatuses(panel);
    this.activeJob = null;
    this.outdated = false;
  }

  async run() {
    try {
      await this.submitAndFollow();
    } catch (error) {
      if (this.outdated) return;
      const message = error instanceof ServiceError ? error.message : "The service is not responding.";
      showState(this.panel, "failed", message);
    }
  }

  async submitAndFollow() {
    const { url } = this.panel.dataset;
    let job = await post(url, this.fields);
    const jobUrl = `${url}/jobs/${job.jobId}`;
    this.activeJob = jobUrl;
    while (!this.statuses[job.jobStatus].isEnded) {
      if (this.outdated) return void (await post(`${jobUrl}/cancel`));
      showState(this.panel, "busy", job.progress?.message ?? "Waiting");
      await wait(POLL_INTERVAL_MS);
      job = await get(jobUrl);
    }
    this.activeJob = null;
    await this.showResult(job, jobUrl);
  }

  async showResult(job, jobUrl) {
    const page = job.results && (await getPage(jobUrl));
    if (this.outdated) return;
    const amounts = page?.querySelector(".amounts");
    if (page) this.onPage(page, this.fields);
    if (amounts) showAmounts(this.panel, amounts, partsOf(job));
    else showState(this.panel, "failed", causeOf(job));
  }

  cancelOnLeave() {
    if (this.activeJob) postBeacon(`${this.activeJob}/cancel`);
  }
}

// Show the estimate of a form in a panel, and update it whenever the form changes. onPage: called with the page of the
// job of each estimate, and the fields that it is about.
export function followForm(form, panel, onPage) {
  let [timer, current] = [0, null];
  const start = () => {
    current = new Estimate(panel, new FormData(form), onPage);
    current.run();
  };
  const restart = () => {
    clearTimeout(timer);
    if (current) current.outdated = true;
    showState(panel, "busy", "Waiting");
    timer = setTimeout(start, UPDATE_DELAY_MS);
  };
  form.addEventListener("input", restart);
  window.addEventListener("pagehide", () => current?.cancelOnLeave());
  // The page is shown again from the back/forward cache of the browser.
  window.addEventListener("pageshow", (event) => event.persisted && restart());
  panel.hidden = false;
  start();
}
