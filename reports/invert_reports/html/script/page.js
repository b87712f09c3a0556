"use strict";
// The page works without this script: it adds choosing, comparing, sorting and copying.
// Text goes in by textContent alone, so that no name can become markup.

const byId = (id) => document.getElementById(id);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const data = JSON.parse(byId("data").textContent);
const pictures = new Map(Object.entries(data.pictures));
for (const image of all("img[data-picture]")) pictures.set(image.dataset.picture, image.src);

for (const image of all("img[data-again]")) {
  Object.assign(image, { src: pictures.get(image.dataset.again), hidden: false });
}

const SVG = "http://www.w3.org/2000/svg";

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function drawn(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function picture(key, alt, attributes = {}) {
  return element("img", { src: pictures.get(key), alt, ...attributes });
}

function announce(text) {
  byId("announce").textContent = text;
}
