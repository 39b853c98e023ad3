// Nothing is drawn anew, and nothing moves, between a press and its click: the click would go elsewhere, or nowhere.

const FINGER_MS = 50; // the click of a finger comes in a task of its own

let pressed = false;
let timer = null;
let waiting = [];

function press(event) {
  clearTimeout(timer);
  // A select shows a list of the system's own, which may keep the end of the press to itself.
  pressed = event.button === 0 && !event.target.closest?.("select, option");
}

function over(event) {
  if (!pressed) return;
  clearTimeout(timer);
  timer = setTimeout(release, event.pointerType === "touch" ? FINGER_MS : 0);
}

function release() {
  pressed = false;
  const freed = waiting;
  waiting = [];
  for (const one of freed) one();
}

addEventListener("pointerdown", press, true);
for (const kind of ["pointerup", "pointercancel", "keydown"]) addEventListener(kind, over, true);
addEventListener("blur", over); // of the window
addEventListener("pointermove", (event) => { if (!event.buttons) over(event); }, true); // let go outside the window

// When no pointer is down; at once where none is.
export const released = () => (pressed ? new Promise((done) => waiting.push(done)) : Promise.resolve());
