// Keeps the live page up to date: takes the panels that changed from the stream and puts them in place.

const board = document.getElementById("board");
const state = document.getElementById("state");
const pause = document.getElementById("pause");
const announcer = document.getElementById("announcer");
const ANNOUNCE_EVERY_MS = 5000;
const ASK_EVERY_MS = 3000;
const ASKS_BEFORE_A_STREAM = 10;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

let source = null;
let asking = null;
let isPaused = false;
let announcedAt = 0;

function show(name, text) {
  state.dataset.state = name;
  state.textContent = text;
}

function connect() {
  if (source || asking || isPaused || document.hidden) return;
  source = new EventSource(board.dataset.stream);
  source.addEventListener("open", () => show("live", "live"));
  source.addEventListener("error", () => {
    // The browser tries again by itself, unless the server refused: most likely it has no stream left.
    if (source.readyState !== EventSource.CLOSED) return show("lost", "connection lost, trying again …");
    source = null;
    ask(ASKS_BEFORE_A_STREAM);
  });
  source.addEventListener("panels", (event) => put(JSON.parse(event.data)));
}

// Without a stream: asks for the panels every few seconds, and after a while for a stream again.
async function ask(times) {
  const mine = (asking = setTimeout(() => (times > 1 ? ask(times - 1) : resume()), ASK_EVERY_MS));
  let panels = null;
  try {
    const response = await fetch(board.dataset.panels, { redirect: "manual" });
    if (response.ok) panels = await response.json();
    else if (response.status < 500) return refuse();
  } catch {
    // Away for a moment, or not: the next time shows.
  }
  if (asking !== mine) return;
  if (!panels) return show("lost", "connection lost, trying again …");
  put(panels);
  show("live", "live, every few seconds");
}

function refuse() {
  clearTimeout(asking);
  asking = null;
  show("lost", "refused: reload the page");
}

function resume() {
  asking = null;
  connect();
}

function disconnect(text) {
  source?.close();
  source = null;
  clearTimeout(asking);
  asking = null;
  show("waiting", text);
}

function put(panels) {
  for (const [name, html] of Object.entries(panels)) renew(board.querySelector(`[data-panel="${name}"]`), html);
  localTimes();
  announce();
}

// The HTML comes from the server's templates, which escape what visitors typed. What is there already is
// changed in place, so that bars grow. What is new, or counts differently, flashes.
function renew(panel, html) {
  const next = document.createElement("template");
  next.innerHTML = html;
  morph(panel, next.content, panel.dataset.seen);
  panel.dataset.seen = "yes";
}

function morph(target, source, isFlashing) {
  const children = withoutBlanks(source);
  const known = new Map(withoutBlanks(target).map((child) => [child.dataset?.key, child]));
  let here = target.firstChild;
  for (const next of children) {
    const key = next.dataset?.key;
    const node = key ? known.get(key) : isAlike(here, next) && here;
    if (!node) {
      target.insertBefore(next, here);
      if (key && isFlashing) flash(next);
      continue;
    }
    if (node === here) here = here.nextSibling;
    else target.insertBefore(node, here);
    if (next.nodeType === Node.TEXT_NODE) node.nodeValue = next.nodeValue;
    else {
      if (isFlashing && node.dataset.count !== next.dataset.count) flash(node);
      copyAttributes(node, next);
      morph(node, next, isFlashing);
    }
  }
  while (here) {
    const gone = here;
    here = here.nextSibling;
    gone.remove();
  }
}

// Between the items of a list, blanks mean nothing and would be in the way.
function withoutBlanks(parent) {
  if (parent.querySelector(":scope > [data-key]")) {
    for (const child of [...parent.childNodes]) if (child.nodeType === Node.TEXT_NODE) child.remove();
  }
  return [...parent.childNodes];
}

function isAlike(node, next) {
  return node && node.nodeName === next.nodeName && !node.dataset?.key;
}

function flash(node) {
  node.getAnimations().forEach((animation) => animation.cancel());
  if (CALM.matches) return;
  // To the background that it has by itself.
  node.animate([{ backgroundColor: "var(--glow)", offset: 0 }], { duration: 1400, easing: "ease-out" });
}

function copyAttributes(node, next) {
  for (const { name, value } of next.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

function localTimes() {
  for (const time of board.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    time.title = at.toLocaleString();
    time.textContent = "ago" in time.dataset ? ago(at) : at.toLocaleTimeString();
  }
}

function ago(at) {
  const seconds = Math.max(0, Math.round((Date.now() - at) / 1000));
  if (seconds < 2) return "just now";
  return seconds < 60 ? `${seconds} s ago` : `${Math.floor(seconds / 60)} min ago`;
}

// A screen reader hears the newest event, not each of them.
function announce() {
  const newest = board.querySelector(".events .what")?.textContent.replace(/\s+/g, " ").trim();
  if (!newest || newest === announcer.textContent || Date.now() - announcedAt < ANNOUNCE_EVERY_MS) return;
  announcedAt = Date.now();
  announcer.textContent = newest;
}

// Acts of this page are sent without leaving it.
async function act(event) {
  const form = event.target.closest("form[data-stay]");
  if (!form) return;
  event.preventDefault();
  const data = new FormData(form);
  const isGet = form.method === "get";
  const url = isGet ? `${form.action}?${new URLSearchParams(data)}` : form.action;
  try {
    const response = await fetch(url, isGet ? {} : { method: "POST", body: data, redirect: "manual" });
    // Refused: most likely someone logged in or out in another tab, and the form's token is no longer theirs.
    if (!response.ok && response.type !== "opaqueredirect") return location.reload();
  } catch {
    return show("lost", "not sent: the site doesn't answer");
  }
  flash(form);
  if (isGet) form.reset();
}

pause.hidden = false;
pause.addEventListener("click", () => {
  isPaused = !isPaused;
  pause.setAttribute("aria-pressed", String(isPaused));
  if (isPaused) disconnect("paused");
  else connect();
});
// A tab in the background needs no stream, and a browser opens only six to one server.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect("waiting") : connect()));
document.addEventListener("submit", act);
setInterval(localTimes, 1000);
localTimes();
connect();
