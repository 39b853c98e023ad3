// Dragging rules and groups by their handles, with a mouse, a pen or a finger.

import { make } from "./elements.js";

const FAR = 4; // pixels before a press is a drag
const EDGE = 64;

// `drop(groupId, index)` is called with the place among the rules that stay.
export function startDrag(event, view, id, drop) {
  if (event.button) return;
  const row = view.querySelector(`[data-id="${id}"]`);
  const handle = event.currentTarget;
  const from = { x: event.clientX, y: event.clientY };
  const line = make("div", { className: "pp-drop-line" });
  let [dragging, target] = [false, null];

  function slots() {
    const found = [];
    for (const body of view.querySelectorAll("[data-body]")) {
      if (row.contains(body)) continue;
      const rows = [...body.children].filter((one) => one.dataset.id && one !== row);
      const box = body.getBoundingClientRect();
      const own = { group: Number(body.dataset.body), left: box.left, width: box.width };
      rows.forEach((one, index) => found.push({ ...own, index, y: one.getBoundingClientRect().top - 4 }));
      found.push({ ...own, index: rows.length, y: rows.length ? rows.at(-1).getBoundingClientRect().bottom + 4 : box.top + box.height / 2 });
    }
    return found;
  }

  function move(at) {
    if (!dragging && Math.hypot(at.clientX - from.x, at.clientY - from.y) < FAR) return;
    if (!dragging) {
      dragging = true;
      row.setAttribute("data-dragged", "");
      document.body.append(line);
    }
    at.preventDefault();
    if (at.clientY < EDGE) scrollBy(0, -12);
    if (at.clientY > innerHeight - EDGE) scrollBy(0, 12);
    // The nearest place; of places alike the innermost whose left edge the pointer has passed.
    const near = slots().map((slot) => ({ ...slot, far: Math.abs(slot.y - at.clientY) + Math.max(0, slot.left - at.clientX) }));
    target = near.sort((a, b) => a.far - b.far || b.left - a.left)[0] ?? null;
    if (target) Object.assign(line.style, { left: `${target.left}px`, width: `${target.width}px`, top: `${target.y - 1}px` });
  }

  function end(drops) {
    handle.removeEventListener("pointermove", move);
    handle.removeEventListener("pointerup", up);
    handle.removeEventListener("pointercancel", cancel);
    removeEventListener("keydown", escape, true);
    line.remove();
    row.removeAttribute("data-dragged");
    if (drops && dragging && target) drop(target.group, target.index);
  }
  const up = () => end(true);
  const cancel = () => end(false);
  const escape = (key) => { if (key.key === "Escape") { key.stopPropagation(); end(false); } };

  handle.setPointerCapture(event.pointerId);
  handle.addEventListener("pointermove", move);
  handle.addEventListener("pointerup", up);
  handle.addEventListener("pointercancel", cancel);
  addEventListener("keydown", escape, true);
}
