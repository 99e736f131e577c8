// Keeps a page of the operator as it is now: fetches the part that changes and puts in what differs, so that focus,
// selection and what was opened stay. Without it the page is plain, and as old as it is.
"use strict";
(() => {
  const live = document.getElementById("kafka-live");
  const stale = document.querySelector(".kafka-stale");
  const seconds = Number(live?.dataset.refreshSeconds);
  const format = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { dateStyle: "medium", timeStyle: "medium" });

  // Moments by the clock of whoever looks.
  function showLocally(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      if (Number.isNaN(moment.valueOf())) continue;
      time.title = time.textContent;
      time.textContent = format.format(moment);
    }
  }

  function adopt(old, fresh) {
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    } else {
      adoptAttributes(old, fresh);
      adoptChildren(old, fresh);
    }
  }

  function adoptAttributes(old, fresh) {
    // Whether it is open is up to whoever opened it.
    const own = (name) => name === "open" && old.nodeName === "DETAILS";
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name) && !own(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value && !own(name)) old.setAttribute(name, value);
  }

  // Those with an id are found again where rows have come, gone or changed places; others by what they are.
  function adoptChildren(old, fresh) {
    const left = new Set(old.childNodes);
    let place = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const known = [...left].find((each) => each.nodeName === child.nodeName && (each.id ?? "") === (child.id ?? ""));
      if (known) {
        left.delete(known);
        if (known === place) place = place.nextSibling;
        else old.insertBefore(known, place);
        adopt(known, child);
      } else {
        old.insertBefore(child, place);
      }
    }
    for (const each of left) each.remove();
  }

  async function refresh() {
    const response = await fetch(location.href, { headers: { "X-Kafka-Fragment": "1" }, redirect: "error" });
    if (!response.ok) throw new Error(response.statusText);
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html").body;
    showLocally(fresh);
    const focused = document.activeElement;
    adoptChildren(live, fresh);
    // What changed its place has lost it.
    if (focused?.isConnected) focused.focus({ preventScroll: true });
  }

  let timer;
  let isAsking = false;
  async function keepFresh() {
    clearTimeout(timer);
    if (document.hidden || isAsking) return;
    isAsking = true;
    try {
      await refresh();
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    }
    isAsking = false;
    timer = setTimeout(keepFresh, seconds * 1000);
  }

  showLocally(document.getElementById("content") ?? document);
  if (!live || !seconds) return;
  timer = setTimeout(keepFresh, seconds * 1000);
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : keepFresh()));
})();
