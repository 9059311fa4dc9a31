// Pictures to label, one after the other: by keys, by buttons, and by swipes on a phone.
import { fetchPart, parsed, post } from "./part.js";

const FEW = 5; // pictures left in the queue when more are fetched
const FAR = 70; // pixels of a swipe

export function review(place) {
  const { head } = place.dataset;
  const isSeveral = place.dataset.several === "yes";
  const answers = document.getElementById("answers");
  const [said, undo, done] = ["said", "undo", "done"].map((id) => document.getElementById(id));
  const address = `/heads/${encodeURIComponent(head)}/examples`;
  const past = []; // {item, labels, stored} of what was answered, the last one last; `stored` tells once it is
  const seen = new Set();
  let isBusy = false;

  const queue = () => place.querySelector(".queue");
  const current = () => queue().querySelector("li[data-id]");
  const buttons = () => [...answers.querySelectorAll("button[name=label]")];
  const pressed = () => buttons().filter((one) => one.getAttribute("aria-pressed") === "true");

  function show() {
    const item = current();
    for (const one of buttons()) {
      one.classList.toggle("proposed", Boolean(item) && one.value === item.dataset.proposed);
      if (isSeveral) one.setAttribute("aria-pressed", "false");
      one.disabled = !item;
    }
    for (const one of place.querySelectorAll("input[name=images]")) one.value = item?.dataset.id ?? "";
    document.getElementById("proposed").textContent = called(proposed());
    undo.disabled = !past.length;
    [...queue().querySelectorAll("img[loading]")].slice(0, 4).forEach((image) => {
      new Image().src = image.src;
    });
  }

  function count() {
    const stored = past.filter((one) => one.isStored && one.labels.length).length;
    said.textContent = stored ? `${said.dataset.count} ${stored}` : "";
  }

  // What a label's button says, which may be its Chinese name.
  function called(label) {
    return buttons().find((one) => one.value === label)?.lastChild.textContent.trim() ?? label;
  }

  function proposed() {
    return current()?.dataset.proposed || buttons()[0]?.value || "";
  }

  async function fill() {
    const old = queue();
    if (isBusy || !old.dataset.after || old.querySelectorAll("li[data-id]").length > FEW) return;
    isBusy = true;
    try {
      const more = parsed(await fetchPart(`${old.dataset.after}&part=1`)).querySelector(".queue");
      const answered = new Set(past.filter((one) => one.labels.length).map((one) => one.item.dataset.id));
      const known = current() ? seen : answered; // what was skipped comes again once there is nothing else
      const fresh = [...more.querySelectorAll("li[data-id]")].filter((one) => !known.has(one.dataset.id));
      fresh.forEach((one) => seen.add(one.dataset.id));
      old.dataset.after = more.dataset.after;
      old.append(...fresh);
      if (!current()) old.replaceChildren(nothing());
    } catch (error) {
      said.textContent = String(error.message);
    } finally {
      isBusy = false;
    }
  }

  function nothing() {
    const item = document.createElement("li");
    item.className = "empty";
    item.textContent = place.dataset.nothing;
    return item;
  }

  async function next(labels) {
    const item = current();
    if (!item) return;
    const answer = { item, labels, isStored: false };
    item.remove();
    past.push(answer);
    show();
    answer.stored = store(answer);
    await answer.stored;
    const isEmpty = !current();
    await fill();
    if (isEmpty) show();
  }

  async function store(answer) {
    try {
      for (const label of answer.labels) await post(address, { label, images: [Number(answer.item.dataset.id)], any: isSeveral });
      answer.isStored = true;
      count();
    } catch (error) {
      back(answer);
      said.textContent = String(error.message);
    }
  }

  function back(answer) {
    past.splice(past.indexOf(answer), 1);
    queue().querySelector("li.empty")?.remove();
    queue().prepend(answer.item);
    show();
    count();
  }

  async function takeBack() {
    const last = past.at(-1);
    if (!last || last.isTakenBack) return;
    last.isTakenBack = true;
    await last.stored;
    try {
      const images = [Number(last.item.dataset.id)];
      if (last.isStored) for (const label of last.labels) await post(address, { label, images, remove: true });
      if (past.includes(last)) back(last);
    } catch (error) {
      last.isTakenBack = false;
      said.textContent = String(error.message);
    }
  }

  function choose(button) {
    if (!current()) return;
    if (!isSeveral || button.value === "none") next([button.value]);
    else button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  }

  // With several labels a picture is done when one says so; without any, it has what is proposed.
  function finish() {
    const labels = pressed().map((one) => one.value);
    next(labels.length ? labels : [proposed()].filter(Boolean));
  }

  answers.addEventListener("submit", (event) => {
    event.preventDefault();
    if (event.submitter?.name === "label") choose(event.submitter);
  });
  document.getElementById("another").addEventListener("submit", (event) => {
    event.preventDefault();
    const input = event.target.elements.label;
    const name = input.value.trim();
    input.value = "";
    input.blur();
    let button = buttons().find((one) => one.value === name);
    if (!button && name) {
      button = added(name);
      if (isSeveral) button.setAttribute("aria-pressed", "false");
    }
    if (button) choose(button);
  });

  function added(name) {
    const used = new Set(buttons().map((one) => one.dataset.key));
    const key = [..."123456789abcdefghijklmnopqrstuvwxy"].find((one) => !used.has(one)) ?? "";
    const [button, sign] = [document.createElement("button"), document.createElement("kbd")];
    Object.assign(button, { name: "label", value: name });
    button.dataset.key = key;
    sign.textContent = key;
    sign.ariaHidden = "true";
    button.append(sign, ` ${name}`);
    buttons().at(-1).before(button);
    return button;
  }

  document.getElementById("skip").addEventListener("click", (event) => {
    if (!current()) return;
    event.preventDefault();
    next([]);
  });
  undo.hidden = false;
  undo.addEventListener("click", takeBack);
  if (done) {
    done.hidden = false;
    done.addEventListener("click", finish);
  }

  addEventListener("keydown", (event) => {
    const onControl = event.target.closest("input, select, textarea, summary") || event.ctrlKey || event.metaKey || event.altKey;
    if (onControl) return;
    const isPressing = event.target.closest("button, a") && (event.key === " " || event.key === "Enter");
    if (isPressing) return;
    if (event.key === " ") next([]);
    else if (event.key === "z") takeBack();
    else if (event.key === "Enter" && isSeveral) finish();
    else {
      const button = buttons().find((one) => one.dataset.key && one.dataset.key === event.key.toLowerCase());
      if (!button) return;
      choose(button);
    }
    event.preventDefault();
  });

  swipes(place, (direction) => {
    if (direction === "left") next(["none"]);
    else if (direction === "up") next([]);
    else if (isSeveral) finish();
    else if (proposed()) next([proposed()]);
  });

  for (const one of queue().querySelectorAll("li[data-id]")) seen.add(one.dataset.id);
  if (matchMedia("(pointer: coarse)").matches) place.querySelector(".swipes").hidden = false;
  show();
}

// Has the picture follow a finger, and tells where to it was thrown.
function swipes(place, swiped) {
  let start = null;

  function moved(event) {
    return { x: event.clientX - start.x, y: event.clientY - start.y };
  }

  function rest() {
    start?.figure.style.removeProperty("transform");
    start = null;
  }

  place.addEventListener("pointerdown", (event) => {
    const figure = event.target.closest(".queue figure");
    if (!figure || event.pointerType === "mouse" || !event.isPrimary) return;
    start = { x: event.clientX, y: event.clientY, figure };
    figure.setPointerCapture(event.pointerId);
  });
  place.addEventListener("pointermove", (event) => {
    if (!start) return;
    const { x, y } = moved(event);
    start.figure.style.transform = `translate(${x}px, ${Math.min(0, y)}px)`;
  });
  place.addEventListener("pointerup", (event) => {
    if (!start) return;
    const { x, y } = moved(event);
    rest();
    if (Math.abs(x) > FAR && Math.abs(x) > Math.abs(y)) swiped(x > 0 ? "right" : "left");
    else if (y < -FAR) swiped("up");
  });
  place.addEventListener("pointercancel", rest);
}
