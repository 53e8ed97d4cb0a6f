"use strict";

const figures = [...document.querySelectorAll(".tile")];
const all = document.getElementById("all");

function split(figure, percent) {
  for (const image of figure.querySelectorAll(".after")) image.style.clipPath = `inset(0 0 0 ${percent}%)`;
  figure.querySelector(".line").style.left = `${percent}%`;
}

function chosen(name) {
  return document.querySelector(`input[name="${name}"]:checked`).value;
}

function showQuality() {
  const quality = chosen("quality");
  for (const figure of figures) {
    for (const image of figure.querySelectorAll(".after")) {
      image.hidden = !image.dataset.qualities.split(" ").includes(quality);
    }
    for (const row of figure.querySelectorAll("tbody tr")) {
      row.classList.toggle("current", row.dataset.quality === quality);
    }
    figure.querySelector(".right").textContent = `quality ${quality}`;
  }
}

function showZoom() {
  const zoom = Number(chosen("zoom"));
  for (const image of document.querySelectorAll(".stack img")) {
    image.style.width = `${image.getAttribute("width") * zoom}px`;
    image.style.height = `${image.getAttribute("height") * zoom}px`;
  }
}

for (const figure of figures) {
  const slider = figure.querySelector("input[type=range]");
  slider.addEventListener("input", () => split(figure, slider.value));
}
all.addEventListener("input", () => {
  for (const figure of figures) {
    figure.querySelector("input[type=range]").value = all.value;
    split(figure, all.value);
  }
});
for (const input of document.querySelectorAll("input[name=quality]")) input.addEventListener("change", showQuality);
for (const input of document.querySelectorAll("input[name=zoom]")) input.addEventListener("change", showZoom);

/* The links of a page that a service has made lead nowhere from a saved file. */
if (location.protocol === "file:") {
  for (const element of document.querySelectorAll(".service")) element.remove();
  for (const link of document.querySelectorAll("th a")) link.replaceWith(link.textContent);
}

/* A browser may keep the state of a form when the page is loaded again. */
showQuality();
showZoom();
for (const figure of figures) split(figure, figure.querySelector("input[type=range]").value);
