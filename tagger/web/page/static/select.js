// Pictures of the gallery are selected by their boxes, with shift from the last one on, and labelled together, a hundred at a time.
import { post } from "./part.js";

const AT_A_TIME = 100;

export function select(form, pages) {
  const chosen = new Set(); // also of pictures that are far away, and taken out of the page
  const input = form.querySelector("input[name=label]");
  const said = document.getElementById("labelled");
  const undo = document.getElementById("take-back");
  let last = null;
  let given = null;

  const boxes = () => [...pages.querySelectorAll("input[name=images]")];

  function show() {
    for (const box of boxes()) box.checked = chosen.has(box.value);
    const count = document.getElementById("selected");
    count.textContent = `${count.dataset.selected} ${chosen.size}`;
    form.classList.toggle("on", chosen.size > 0 || given !== null);
    pages.classList.toggle("selecting", chosen.size > 0);
    undo.hidden = given === null;
  }

  function mark(box, isOn, withAllBetween) {
    const all = boxes();
    const [at, from] = [all.indexOf(box), all.findIndex((one) => one.value === last)];
    const between = withAllBetween && from >= 0 ? all.slice(Math.min(at, from), Math.max(at, from) + 1) : [box];
    for (const one of between) isOn ? chosen.add(one.value) : chosen.delete(one.value);
    last = box.value;
    if (chosen.size) given = null;
    said.textContent = "";
    show();
  }

  pages.addEventListener("click", (event) => {
    const box = event.target.closest("input[name=images]");
    if (box) return mark(box, box.checked, event.shiftKey);
    const card = event.target.closest(".card");
    const isPlain = event.detail > 0 && !event.ctrlKey && !event.metaKey;
    if (!card || event.target.closest(".select") || !chosen.size || !isPlain) return;
    event.preventDefault(); // while some are selected, a click selects one more
    const own = card.querySelector("input[name=images]");
    mark(own, !chosen.has(own.value), event.shiftKey);
  });

  function clear() {
    chosen.clear();
    given = null;
    said.textContent = "";
    show();
  }

  async function each(images, address, more) {
    form.inert = true;
    try {
      for (let at = 0; at < images.length; at += AT_A_TIME) await post(address, { images: images.slice(at, at + AT_A_TIME), ...more });
      return true;
    } catch (error) {
      said.textContent = error instanceof TypeError ? form.dataset.failed : error.message;
      return false;
    } finally {
      form.inert = false;
    }
  }

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [, head, label] = input.value.trim().match(/^([^:：/]+)[:：/](.+)$/) ?? [];
    if (!chosen.size) return;
    if (!head) {
      said.textContent = form.dataset.form;
      return;
    }
    const images = [...chosen].map(Number);
    const address = `/heads/${encodeURIComponent(head.trim())}/examples`;
    if (!(await each(images, address, { label: label.trim() }))) return;
    chosen.clear();
    given = { images, address, label: label.trim() };
    said.textContent = `${head.trim()}:${label.trim()}: ${images.length}`;
    const known = [...input.list.options].some((one) => one.value === input.value.trim());
    if (!known) input.list.append(new Option("", `${head.trim()}:${label.trim()}`));
    show();
    undo.focus();
  });

  undo.addEventListener("click", async () => {
    if (await each(given.images, given.address, { label: given.label, remove: true })) clear();
  });

  const unselect = document.getElementById("unselect");
  unselect.hidden = false;
  unselect.addEventListener("click", clear);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && (chosen.size || given)) clear();
  });
  new MutationObserver(show).observe(pages, { childList: true });
  addEventListener("pageshow", () => show());
  show();
}
