// The gallery: more as one scrolls, what is far away taken out again, and what arrives put in at the top.
import { completes } from "./complete.js";
import { fetchPart, parsed } from "./part.js";

const FAR = "2500px"; // a page that is farther away keeps its height and gives up its pictures

export function gallery(pages) {
  submitOnChoice(document.getElementById("filters"));
  completes(document.getElementById("q"), document.getElementById("names"));
  const scroll = endless(pages);
  live(pages, scroll);
}

function submitOnChoice(form) {
  form.addEventListener("change", (event) => event.target.matches("select") && form.requestSubmit());
  form.addEventListener("submit", () => {
    for (const field of form.elements) field.disabled = field.name !== "" && field.value === "";
  });
  addEventListener("pageshow", () => [...form.elements].forEach((field) => (field.disabled = false)));
}

function endless(pages) {
  const more = document.getElementById("more");
  const trouble = document.getElementById("trouble");
  let isLoading = false;

  const near = new IntersectionObserver(
    (entries) => entries.forEach((entry) => (entry.isIntersecting ? fill(entry.target) : empty(entry.target))),
    { rootMargin: FAR },
  );

  function empty(page) {
    if (!page.children.length) return;
    page.style.height = `${page.offsetHeight}px`;
    page.replaceChildren();
  }

  async function fill(page) {
    if (page.children.length || !page.style.height) return;
    const fresh = await fetched(page.dataset.here).catch(() => null);
    if (!fresh) return;
    page.replaceChildren(...fresh.children);
    page.style.height = "";
  }

  async function append() {
    const last = pages.lastElementChild;
    if (isLoading || !more || !last?.dataset.after) return;
    isLoading = true;
    try {
      const page = await fetched(last.dataset.after);
      pages.append(page);
      near.observe(page);
      trouble.hidden = true;
    } catch {
      trouble.hidden = false;
    }
    isLoading = false;
    show();
  }

  function show() {
    const after = pages.lastElementChild?.dataset.after ?? "";
    if (more) {
      more.href = after || "#";
      more.parentElement.hidden = !after;
    }
    if (after && isNear(more)) append();
  }

  function isNear(element) {
    return element && element.getBoundingClientRect().top < innerHeight + 1500;
  }

  for (const page of pages.children) near.observe(page);
  if (more) {
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && append(), { rootMargin: "1500px" }).observe(more);
    more.addEventListener("click", (event) => {
      event.preventDefault();
      append();
    });
  }
  return {
    // The newest page again, alone: what is known stays, so that nothing flickers.
    async renew() {
      const page = await fetched(`/?${new URLSearchParams(location.search)}`);
      const known = new Map([...pages.querySelectorAll(".card")].map((card) => [card.dataset.id, card]));
      const fresh = [...page.children].map((card) => same(known.get(card.dataset.id), card));
      page.replaceChildren(...fresh);
      pages.replaceChildren(page);
      near.observe(page);
      document.querySelector(".empty")?.remove();
      show();
      return fresh.filter((card) => card.classList.contains("fresh")).length;
    },
  };
}

function same(known, card) {
  if (known && known.innerHTML === card.innerHTML) {
    known.classList.remove("fresh");
    return known;
  }
  if (!known) card.classList.add("fresh");
  return card;
}

async function fetched(address) {
  const url = new URL(address, location.href);
  url.searchParams.set("part", "1");
  return parsed(await fetchPart(url)).querySelector(".page");
}

// Hears of what is tagged, and looks at most once a second. Not where an older page is shown, and not while hidden:
// a browser has few connections for each site.
function live(pages, scroll) {
  if (new URLSearchParams(location.search).has("cursor") || document.querySelector("#mistake")) return;
  const news = document.getElementById("news");
  const said = document.getElementById("said");
  let source = null;
  let timer = 0;

  function listen() {
    source = new EventSource(`/events?q=${encodeURIComponent(pages.dataset.query)}`);
    source.addEventListener("tagged", () => (timer ||= setTimeout(arrived, 800)));
  }

  async function arrived() {
    timer = 0;
    if (scrollY > 300) {
      news.hidden = false;
      return;
    }
    news.hidden = true;
    const count = await scroll.renew().catch(() => 0);
    if (count) said.textContent = `${news.textContent.replace("↑", "").trim()}: ${count}`;
  }

  news.addEventListener("click", () => {
    scrollTo({ top: 0 });
    arrived();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) {
      listen();
      arrived();
    }
  });
  addEventListener("pagehide", () => source?.close());
  listen();
}
