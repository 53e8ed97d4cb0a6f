// Client of the REST resources, and of the pages of jobs.

export const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

// Thrown for an error that the service returned; other errors mean that it does not respond.
export class ServiceError extends Error {}

// The statuses of jobs by name, as the service wrote them into a data attribute of an element.
export const readStatuses = (element) => JSON.parse(element.dataset.statuses);

async function request(url, options) {
  const response = await fetch(url, { ...options, headers: { Accept: "application/json" } });
  const value = await response.json();
  if (value.error) throw new ServiceError([value.error.message, ...(value.error.details ?? [])].join(" "));
  return value;
}

function toQuery(format, fields = {}) {
  const query = new URLSearchParams(fields);
  query.set("f", format);
  return query;
}

export const get = (url) => request(`${url}?${toQuery("json")}`);

export const post = (url, fields) => request(url, { method: "POST", body: toQuery("json", fields) });

// For a page that is being left: the browser sends the request even after that.
export const postBeacon = (url) => navigator.sendBeacon(url, toQuery("json"));

// The page of a resource as a document: its numbers are formatted by the service.
export async function getPage(url) {
  const response = await fetch(`${url}?${toQuery("html")}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
}
