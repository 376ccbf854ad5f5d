// Shows what the book has, and adds to it. Entries are text and are only ever shown as text.
const entries = document.querySelector("#entries");
const problem = document.querySelector("#problem");
const text = document.querySelector("#text");

async function show() {
  const lines = (await (await fetch("/api/entries")).text()).split("\n").filter(Boolean).reverse();
  entries.replaceChildren(...lines.map((line) => {
    const item = document.createElement("li");
    item.textContent = line;
    return item;
  }));
  document.querySelector("#empty").hidden = lines.length > 0;
}

document.querySelector("#form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch("/api/entries", { method: "POST", body: text.value });
  problem.textContent = answer.ok ? "" : await answer.text();
  if (answer.ok) text.value = "";
  await show();
});

show();
