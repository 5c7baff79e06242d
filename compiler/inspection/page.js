"use strict";

const cards = [...document.querySelectorAll(".card")];
const texts = cards.map((card) =>
  [...card.querySelectorAll(".searched")].map((part) => part.textContent).join("\n").toLowerCase(),
);
const shape = document.getElementById("shape");
const text = document.getElementById("text");
const shown = document.getElementById("shown");

function filter() {
  const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  cards.forEach((card, number) => {
    const fits =
      (!shape.value || card.dataset.shape === shape.value) &&
      words.every((word) => texts[number].includes(word));
    card.hidden = !fits;
    count += fits;
  });
  shown.value = `${count} of ${cards.length} shown`;
}

shape.addEventListener("change", filter);
text.addEventListener("input", filter);
document.body.classList.add("scripted");
filter();
