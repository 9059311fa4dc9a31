// A picture that is dropped, pasted or chosen → what the model says of it.
import { prefix } from "./part.js";

export function tryIt(drop) {
  const preview = document.getElementById("preview");
  const answer = document.getElementById("answer");

  async function ask(file) {
    if (!file) return;
    URL.revokeObjectURL(preview.src);
    preview.src = URL.createObjectURL(file);
    preview.hidden = false;
    preview.onerror = () => (preview.hidden = true);
    const began = performance.now();
    const lang = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
    try {
      const form = new FormData();
      form.append("image", file);
      const said = await fetch(`${prefix}/predict?top_k=3&lang=${lang}`, { method: "POST", body: form });
      const result = await said.json();
      if (!said.ok) throw new Error(result.detail);
      show(result.results[0], result.model, performance.now() - began);
    } catch (error) {
      answer.replaceChildren(paragraph("mistake", error.message));
    }
  }

  function insteadOf(category) {
    if (category) return tagOf(category);
    const item = document.createElement("li");
    item.append(plain("span", answer.dataset.notSure));
    return item;
  }

  function show(result, model, milliseconds) {
    if (result.error) {
      answer.replaceChildren(paragraph("mistake", result.error));
      return;
    }
    const tags = result.tags.map(tagOf);
    const guesses = result.tags.map((tag) => plain("li", `${tag.name} ${percent(tag.score)}`));
    const parts = result.is_sure ? [listOf(tags, "tags")] : [listOf([insteadOf(result.instead)], "tags"), listOf(guesses, "guesses")];
    answer.replaceChildren(...parts, paragraph("quiet", `${model.name} · ${Math.round(milliseconds)} ms`));
  }

  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    ask(event.dataTransfer.files[0]);
  });
  document.getElementById("choose").addEventListener("change", (event) => ask(event.target.files[0]));
  addEventListener("paste", (event) => ask(event.clipboardData.files[0]));
}

function tagOf(tag) {
  const item = document.createElement("li");
  const [name, score, meter] = ["span", "span", "meter"].map((kind) => document.createElement(kind));
  name.className = "name";
  name.textContent = tag.name;
  score.className = "score";
  score.textContent = percent(tag.score);
  meter.value = tag.score;
  meter.ariaHidden = "true";
  item.append(name, score, meter);
  return item;
}

function percent(score) {
  return `${Math.round(score * 100)} %`;
}

function listOf(items, kind) {
  const list = document.createElement("ol");
  list.className = kind;
  list.append(...items);
  return list;
}

function paragraph(kind, text) {
  const element = plain("p", text);
  element.className = kind;
  return element;
}

function plain(element, text) {
  const made = document.createElement(element);
  made.textContent = text;
  return made;
}
