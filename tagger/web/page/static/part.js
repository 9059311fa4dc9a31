// The path below which a proxy shows Tagger, such as /tagger.
export const prefix = document.documentElement.dataset.prefix ?? "";

// Parts of a page, as the server renders them: so there is one place that knows how a picture looks.
export function fetchPart(address) {
  return fetch(address, { headers: { Accept: "text/html" } }).then((answer) => {
    if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
    return answer.text();
  });
}

export function parsed(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  inLocalTime(template.content);
  return template.content;
}

// The server tells UTC; the reader's clock is known here alone.
export function inLocalTime(root) {
  const language = document.documentElement.lang;
  const brief = new Intl.DateTimeFormat(language, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
  const old = new Intl.DateTimeFormat(language, { year: "numeric", month: "short", day: "numeric" });
  const fine = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
  const year = new Date().getFullYear();
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    const form = "fine" in time.dataset ? fine : moment.getFullYear() === year ? brief : old;
    time.textContent = form.format(moment);
    time.title = time.dateTime;
  }
}

// Has the server do something. What it says is wrong becomes an error; where it is only asked too often, it is asked again.
export async function post(address, body) {
  for (;;) {
    const answer = await fetch(prefix + address, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const wait = answer.status === 429 && Number(answer.headers.get("Retry-After"));
    if (wait) await new Promise((resume) => setTimeout(resume, wait * 1000));
    else if (answer.ok) return answer.json();
    else throw new Error((await answer.json()).detail);
  }
}
