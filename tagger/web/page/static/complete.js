// Completes the name that is being typed, from the labels and categories that there are.
import { prefix } from "./part.js";

const MOST = 8;
const WORDS = new Set(["and", "or", "not", "in", "since", "until", "uncertain"]);

export function completes(input, list) {
  let names = null;
  let chosen = -1;

  async function known() {
    names ??= Promise.all(["/categories", "/labels"].map((address) => fetch(prefix + address).then((answer) => answer.json()))).then(
      (both) => both.flat(),
    );
    return names;
  }

  async function suggest() {
    const { word } = typed(input);
    if (word.length < 1 || WORDS.has(word.toLowerCase())) return close();
    const begins = [];
    const holds = [];
    for (const one of await known()) {
      const [name, chinese] = [one.name.toLowerCase(), one.name_zh];
      const wanted = word.toLowerCase();
      if (name === wanted) continue;
      if (name.startsWith(wanted) || chinese.startsWith(word)) begins.push(one);
      else if (name.includes(wanted) || chinese.includes(word)) holds.push(one);
    }
    show([...new Map([...begins, ...holds].map((one) => [one.name, one])).values()].slice(0, MOST));
  }

  function show(found) {
    chosen = -1;
    list.replaceChildren(...found.map(option));
    list.hidden = !found.length;
    input.setAttribute("aria-expanded", String(!list.hidden));
    input.removeAttribute("aria-activedescendant");
  }

  function option(one, at) {
    const item = document.createElement("li");
    item.id = `name-${at}`;
    item.role = "option";
    item.ariaSelected = "false";
    item.dataset.name = one.name;
    const name = document.createElement("span");
    name.textContent = one.name;
    const chinese = document.createElement("span");
    chinese.lang = "zh";
    chinese.className = "quiet";
    chinese.textContent = one.name_zh;
    item.append(name, chinese);
    item.addEventListener("mousedown", (event) => {
      event.preventDefault();
      take(item);
    });
    return item;
  }

  function take(item) {
    const { start, end } = typed(input);
    const name = /["()<>=:（）]/.test(item.dataset.name) || item.dataset.name.split(" ").some((word) => WORDS.has(word))
      ? `"${item.dataset.name}"`
      : item.dataset.name;
    input.setRangeText(name, start, end, "end");
    close();
    input.focus();
  }

  function close() {
    show([]);
  }

  function move(step) {
    const options = [...list.children];
    if (!options.length) return;
    options[chosen]?.setAttribute("aria-selected", "false");
    chosen = (chosen + step + options.length) % options.length;
    options[chosen].setAttribute("aria-selected", "true");
    options[chosen].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", options[chosen].id);
  }

  input.addEventListener("input", suggest);
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    if (event.key === "ArrowDown") move(1);
    else if (event.key === "ArrowUp") move(chosen < 0 ? 0 : -1);
    else if (event.key === "Escape") close();
    else if (event.key === "Enter" && chosen >= 0) take(list.children[chosen]);
    else return;
    event.preventDefault();
  });
}

// The name around the cursor: several words, up to one of the language's own, a bracket or a comparison.
function typed(input) {
  const end = input.selectionStart;
  const before = input.value.slice(0, end);
  const parts = before.split(/[()（）"]|[<>=≥]+\s*[\d.]+%?|\b(?:and|or|not)\b/i);
  const word = parts.at(-1).trimStart();
  return { word: word.trimEnd(), start: end - word.length, end };
}
