// The gallery, a picture and the status are there without this: here is what makes them live.
import { gallery } from "./gallery.js";
import { head } from "./head.js";
import { fetchPart, inLocalTime, parsed, prefix } from "./part.js";
import { picture } from "./picture.js";
import { review } from "./review.js";
import { select } from "./select.js";
import { tryIt } from "./try.js";

function load(place, address) {
  return fetchPart(address)
    .then((html) => place.replaceChildren(parsed(html)))
    .catch((error) => place.replaceChildren(String(error.message)));
}

function loadParts() {
  for (const place of document.querySelectorAll("[data-load]")) {
    load(place.querySelector(".loaded") ?? place, place.dataset.load);
  }
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-load-into]");
    if (button) load(document.getElementById(button.dataset.loadInto), button.dataset.address);
  });
}

// What was opened stays open.
async function renew(place) {
  const isOpen = Boolean(place.querySelector("details")?.open);
  await load(place, place.dataset.again);
  place.querySelector("details")?.toggleAttribute("open", isOpen);
}

function keepStanding(place) {
  document.addEventListener("click", async (event) => {
    if (event.target.id !== "retry") return;
    event.target.disabled = true;
    await fetch(`${prefix}/failures/retry`, { method: "POST" });
    await renew(place);
  });
  setInterval(() => {
    const isRead = place.contains(document.activeElement) || !getSelection().isCollapsed;
    if (!document.hidden && !isRead) renew(place);
  }, 2000);
}

function switchTheme() {
  const root = document.documentElement;
  document.getElementById("theme").addEventListener("click", () => {
    const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = isDark ? "light" : "dark";
    document.cookie = `theme=${root.dataset.theme}; path=${prefix || "/"}; max-age=31536000; samesite=lax`;
  });
}

inLocalTime(document);
switchTheme();
loadParts();
const standing = document.getElementById("standing");
if (standing) keepStanding(standing);
if (document.getElementById("pages")) gallery(document.getElementById("pages"));
if (document.querySelector("article.picture")) picture(document.querySelector("article.picture"));
if (document.getElementById("drop")) tryIt(document.getElementById("drop"));
if (document.getElementById("labelling")) select(document.getElementById("labelling"), document.getElementById("pages"));
if (document.getElementById("answers")) review(document.getElementById("review"));
if (document.getElementById("head")) head(document.getElementById("head"));
