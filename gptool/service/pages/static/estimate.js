// The estimate beside the form: it follows every change.

import { get, isRunning, post, postLast, Refusal, wait } from "./jobs.js";

const PAUSE = 400;
const BETWEEN_POLLS = 300;
const UNITS = ["kB", "MB", "GB", "TB"];

export function sizeText(count) {
  if (count < 1000) return `${count} bytes`;
  let [value, unit] = [count / 1000, 0];
  for (; value >= 999.95 && unit < UNITS.length - 1; unit += 1) value /= 1000;
  return `${value.toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 })} ${UNITS[unit]}`;
}

const element = (name) => document.getElementById(`estimate-${name}`);

function shareText(tiles, limit) {
  const most = limit.toLocaleString("en");
  if (tiles > limit) return `more than the ${most} tiles of one export`;
  const share = (100 * tiles) / limit;
  const shown = tiles && share < 0.1 ? "less than 0.1" : share.toFixed(1);
  return `${shown} % of the ${most} tiles of one export`;
}

function showWords(panel, state, words) {
  panel.dataset.state = state;
  element("words").textContent = words;
}

function showAmounts(panel, { totalTilesToExport: tiles, totalSize }) {
  const limit = Number(panel.dataset.limit);
  element("tiles").textContent = tiles.toLocaleString("en");
  element("bytes").textContent = sizeText(totalSize);
  element("bytes").title = `${totalSize.toLocaleString("en")} bytes`;
  element("meter").value = Math.min(tiles, limit);
  panel.classList.toggle("over", tiles > limit);
  showWords(panel, "done", shareText(tiles, limit));
}

// The first of a failed job's errors is its cause; others say that it failed.
function causeOf(job) {
  const errors = job.messages?.filter((message) => message.type === "esriJobMessageTypeError") ?? [];
  return errors[0]?.description ?? "The estimate did not succeed.";
}

// One estimate. It looks whether a newer one has taken its place, and cancels its job then.
class Estimate {
  constructor(panel, fields) {
    this.panel = panel;
    this.fields = fields;
    this.token = fields.get("token");
    this.job = null;
    this.stale = false;
  }

  async run() {
    try {
      await this.follow();
    } catch (error) {
      if (!this.stale) showWords(this.panel, "failed", error instanceof Refusal ? error.message : "The service does not answer.");
    }
  }

  async follow() {
    const { url } = this.panel.dataset;
    let job = await post(url, this.token, this.fields);
    this.job = `${url}/jobs/${job.jobId}`;
    while (isRunning(job)) {
      if (this.stale) return void (await post(`${this.job}/cancel`, this.token));
      showWords(this.panel, "busy", job.progress?.message ?? "Waiting");
      await wait(BETWEEN_POLLS);
      job = await get(this.job, this.token);
    }
    this.job = null;
    await this.end(job, `${url}/jobs/${job.jobId}`);
  }

  async end(job, url) {
    const succeeded = job.jobStatus === "esriJobSucceeded";
    const result = succeeded && (await get(`${url}/results/out_service_url`, this.token));
    if (this.stale) return;
    if (succeeded) showAmounts(this.panel, result.value);
    else showWords(this.panel, "failed", causeOf(job));
  }

  leave() {
    if (this.job) postLast(`${this.job}/cancel`, this.token);
  }
}

// Follow the form from now on.
export function followForm(form, panel) {
  let [timer, current] = [0, null];
  const begin = () => {
    current = new Estimate(panel, new FormData(form));
    current.run();
  };
  const restart = () => {
    clearTimeout(timer);
    if (current) current.stale = true;
    showWords(panel, "busy", "Waiting");
    timer = setTimeout(begin, PAUSE);
  };
  form.addEventListener("input", restart);
  window.addEventListener("pagehide", () => current?.leave());
  // Back on a page that the browser had kept as it was left.
  window.addEventListener("pageshow", (event) => event.persisted && restart());
  panel.hidden = false;
  begin();
}
