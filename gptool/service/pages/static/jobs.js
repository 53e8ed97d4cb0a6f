// Asking the service: every answer is JSON, and an error is one of its words.

export const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export const isRunning = (job) =>
  ["esriJobSubmitted", "esriJobExecuting", "esriJobCancelling"].includes(job.jobStatus);

// Thrown for what the service answered, as against a service that does not.
export class Refusal extends Error {}

async function ask(url, options) {
  const response = await fetch(url, { ...options, headers: { Accept: "application/json" } });
  const answer = await response.json();
  if (answer.error) throw new Refusal([answer.error.message, ...(answer.error.details ?? [])].join(" "));
  return answer;
}

function asJson(token, fields = {}) {
  const query = new URLSearchParams(fields);
  query.set("f", "json");
  if (token) query.set("token", token);
  return query;
}

export const get = (url, token) => ask(`${url}?${asJson(token)}`);

export const post = (url, token, fields) => ask(url, { method: "POST", body: asJson(token, fields) });

// For a page that is being left: the browser sends this on its own.
export const postLast = (url, token) => navigator.sendBeacon(url, asJson(token));
