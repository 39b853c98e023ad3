// What stands in a page that stays open and no figure of the moment tells: parts with `data-fresh`, taken from a newer copy.

// The newer copy; null when there is none to be had.
async function freshen() {
  const response = await fetch(location.href).catch(() => null);
  if (!response?.ok) return null;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const place of document.querySelectorAll("[data-fresh]")) {
    const fresh = page.querySelector(`[data-fresh="${place.dataset.fresh}"]`);
    if (fresh) putInPlace(place, fresh);
  }
  return page;
}

// Whoever looks at it keeps what is unfolded, the focus, and what is marked to be copied.
function putInPlace(place, fresh) {
  const folds = [...place.querySelectorAll("details")].map((one) => one.open);
  fresh.querySelectorAll("details").forEach((one, index) => (one.open = folds[index] ?? one.open));
  const marked = getSelection();
  if (fresh.innerHTML === place.innerHTML || (!marked.isCollapsed && place.contains(marked.anchorNode))) return;
  const reached = "a, button, summary";
  const focused = [...place.querySelectorAll(reached)].indexOf(document.activeElement);
  place.replaceChildren(...fresh.childNodes);
  place.querySelectorAll(reached)[focused]?.focus({ preventScroll: true });
}
