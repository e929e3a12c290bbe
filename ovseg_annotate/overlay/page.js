"use strict";
const hidden = document.getElementById("hidden");
const boxes = [...document.querySelectorAll("nav .concept input")];
const main = document.querySelector("main");
const dialog = document.querySelector("dialog");
let shown = null;

function applyConcepts() {
  const off = boxes.filter((box) => !box.checked).map((box) => `.stage .c${box.value}`);
  hidden.textContent = off.length ? `${off.join(",")}{display:none}` : "";
}

function order(key) {
  const cards = [...main.children];
  const by = {
    name: (a, b) => a.dataset.number - b.dataset.number,
    unsure: (a, b) => a.dataset.sure - b.dataset.sure,
    regions: (a, b) => b.dataset.regions - a.dataset.regions,
  };
  main.append(...cards.sort(by[key]));
}

function enlarge(card) {
  shown = card;
  dialog.querySelector("div").replaceChildren(card.querySelector(".stage").cloneNode(true));
  dialog.querySelector("p").textContent = `${card.querySelector("h2").firstChild.textContent} \u00b7 arrow keys for more, Esc to close`;
  if (!dialog.open) dialog.showModal();
}

boxes.forEach((box) => box.addEventListener("change", applyConcepts));
document.getElementById("all").addEventListener("click", () => {
  const on = boxes.some((box) => !box.checked);
  boxes.forEach((box) => { box.checked = on; });
  applyConcepts();
});
document.getElementById("fill").addEventListener("input", (event) => {
  document.documentElement.style.setProperty("--fill", event.target.value / 100);
});
document.getElementById("bare").addEventListener("change", (event) => {
  document.body.classList.toggle("bare", event.target.checked);
});
document.getElementById("order").addEventListener("change", (event) => order(event.target.value));
main.addEventListener("click", (event) => {
  const card = event.target.closest("article");
  if (card && event.target.closest(".stage")) enlarge(card);
});
dialog.addEventListener("click", () => dialog.close());
dialog.addEventListener("keydown", (event) => {
  const next = { ArrowRight: shown?.nextElementSibling, ArrowLeft: shown?.previousElementSibling }[event.key];
  if (next) { event.preventDefault(); enlarge(next); }
});
