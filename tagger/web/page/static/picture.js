// A picture's page by keys: ↑ ↓ choose a tag, y confirms, n rejects, u takes back, ← → go to its neighbours.
import { fetchPart, parsed, prefix } from "./part.js";

export function picture(article) {
  const id = article.dataset.id;
  let at = 0;

  const tags = () => [...article.querySelectorAll("#tags > li")];

  function mark(step = 0) {
    const all = tags();
    if (!all.length) return;
    at = Math.min(Math.max(at + step, 0), all.length - 1);
    all.forEach((tag, number) => (number === at ? tag.setAttribute("aria-current", "true") : tag.removeAttribute("aria-current")));
    all[at].scrollIntoView({ block: "nearest" });
  }

  async function say(tag, verdict) {
    const said = document.getElementById("said");
    if (!tag?.querySelector("[data-say]")) return;
    const answer = await fetch(`${prefix}/images/${id}/verdicts`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ [verdict]: [tag.dataset.label] }),
    });
    if (!answer.ok) {
      said.textContent = (await answer.json()).detail;
      return;
    }
    await renew();
    const now = tags().find((one) => one.dataset.label === tag.dataset.label);
    said.textContent = `${tag.dataset.label}: ${now?.querySelector(".said")?.textContent ?? "↺"}`;
  }

  async function renew() {
    const page = parsed(await fetchPart(location.href));
    for (const part of ["#instead", "#tags"]) article.querySelector(part).replaceWith(page.querySelector(part));
    mark();
  }

  article.addEventListener("click", (event) => {
    const button = event.target.closest("[data-say]");
    if (!button) return;
    at = tags().indexOf(button.closest("li"));
    say(button.closest("li"), button.dataset.say);
  });

  const keys = {
    ArrowDown: () => mark(1),
    ArrowUp: () => mark(-1),
    y: () => say(tags()[at], "add"),
    n: () => say(tags()[at], "remove"),
    u: () => say(tags()[at], "clear"),
    ArrowLeft: () => document.getElementById("newer")?.click(),
    ArrowRight: () => document.getElementById("older")?.click(),
  };
  addEventListener("keydown", (event) => {
    const isTyping = event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey;
    if (isTyping || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  mark();
}
