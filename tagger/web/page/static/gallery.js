// The gallery: more as one scrolls, what is far away taken out again, and what arrives put in at the top.
import { completes } from "./complete.js";
import { fetchPart, parsed, prefix } from "./part.js";

const FAR = 4000; // pixels from what is seen to a page that is taken out
const NEAR = 1500; // … and to one that is fetched

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

// Some pages around what is seen are there, and a spacer as high as all that was above them. So the thousandth page
// costs what the first did. What is below is fetched again when one comes back to it.
function endless(pages) {
  const more = document.getElementById("more");
  const trouble = document.getElementById("trouble");
  const spacer = document.createElement("div");
  const above = []; // {here, height} of each page that the spacer stands for
  let isLoading = false;
  pages.before(spacer);

  function take(page) {
    const height = page.nextElementSibling.getBoundingClientRect().top - page.getBoundingClientRect().top;
    above.push({ here: page.dataset.here, height });
    page.remove();
  }

  function stretch() {
    spacer.style.height = `${above.reduce((sum, page) => sum + page.height, 0)}px`;
  }

  function forget() {
    const before = above.length;
    while (pages.children.length > 1 && pages.firstElementChild.getBoundingClientRect().bottom < -FAR) take(pages.firstElementChild);
    while (pages.children.length > 1 && pages.lastElementChild.getBoundingClientRect().top > innerHeight + FAR) pages.lastElementChild.remove();
    if (above.length !== before) stretch();
  }

  async function load(address, put) {
    isLoading = true;
    const page = await fetched(address).catch(() => null);
    isLoading = false;
    trouble.hidden = page !== null;
    if (!page) return; // the next scroll tries again
    put(page);
    show();
  }

  function append() {
    const last = pages.lastElementChild;
    if (last?.dataset.after) load(last.dataset.after, (page) => pages.lastElementChild === last && pages.append(page));
  }

  // The page above the first; or, who jumped far up gets the page that is where they are, and it goes on from there.
  function prepend() {
    const isFarUp = spacer.getBoundingClientRect().bottom > innerHeight + NEAR;
    let at = above.length - 1;
    for (let top = spacer.getBoundingClientRect().bottom; isFarUp && at > 0 && top - above[at].height > 0; at -= 1) top -= above[at].height;
    load(above[at].here, (page) => {
      above.length = at;
      if (isFarUp) pages.replaceChildren(page);
      else pages.prepend(page);
      stretch();
    });
  }

  function show() {
    forget();
    const after = pages.lastElementChild?.dataset.after ?? "";
    more.href = after || "#";
    more.parentElement.hidden = !after;
    if (isLoading) return;
    if (above.length && spacer.getBoundingClientRect().bottom > -NEAR) prepend();
    else if (after && more.getBoundingClientRect().top < innerHeight + NEAR) append();
  }

  // Not an observer, which sees no change where a page is put in and scrolled through between two frames.
  addEventListener("scroll", show, { passive: true });
  addEventListener("resize", show);
  more.addEventListener("click", (event) => {
    event.preventDefault();
    if (!isLoading) append();
  });
  show();
  return {
    // The newest page again, alone: what is known stays, so that nothing flickers.
    async renew() {
      const page = await fetched(`${prefix}/?${new URLSearchParams(location.search)}`);
      const known = new Map([...pages.querySelectorAll(".card")].map((card) => [card.dataset.id, card]));
      const fresh = [...page.children].map((card) => same(known.get(card.dataset.id), card));
      page.replaceChildren(...fresh);
      pages.replaceChildren(page);
      above.length = 0;
      stretch();
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
    source = new EventSource(`${prefix}/events?q=${encodeURIComponent(pages.dataset.query)}`);
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
