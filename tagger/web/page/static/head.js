// A head's page follows what becomes of it: it is learned, or not, and it has labelled.
import { fetchPart, parsed, post, prefix } from "./part.js";

const NO_PICTURES = "until 1970-01-02"; // what is tagged meanwhile is none of this page's business

export function head(place) {
  const { head: name } = place.dataset;
  const said = document.getElementById("said");
  const source = new EventSource(`${prefix}/events?q=${encodeURIComponent(NO_PICTURES)}`);

  async function renew() {
    place.replaceChildren(parsed(await fetchPart(place.dataset.again)));
  }

  function complain(why) {
    said.textContent = why;
    said.hidden = !why;
  }

  source.addEventListener("head", (event) => {
    const told = JSON.parse(event.data);
    if (told.head !== name) return;
    complain(told.why ?? "");
    renew().catch((error) => complain(error.message));
  });
  addEventListener("pagehide", () => source.close());

  place.addEventListener("submit", async (event) => {
    if (event.target.id !== "teach") return;
    event.preventDefault();
    complain("");
    try {
      await post(`/heads/${encodeURIComponent(name)}/teach`);
      await renew();
    } catch (error) {
      complain(error.message);
    }
  });
}
