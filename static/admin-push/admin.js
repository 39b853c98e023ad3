// What every page of the admin shares: copying, dialogs that ask first, forms that are sent once.

document.addEventListener("click", async (event) => {
  const copier = event.target.closest("[data-copy]");
  if (copier) {
    const source = document.querySelector(copier.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent.trim());
      copier.textContent = "Copied";
    } catch {
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      copier.textContent = "Press Ctrl+C";
    }
  }
  const opener = event.target.closest("[data-dialog]");
  if (opener) document.querySelector(opener.dataset.dialog)?.showModal();
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  if (event.target.matches?.("dialog.pp-dialog")) event.target.close(); // a click beside it
});

// A form marked so is sent once: a second click while the first is on its way does nothing.
document.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-once]")) return;
  if (event.target.dataset.sent) event.preventDefault();
  event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("[data-once][data-sent]")) delete form.dataset.sent;
});

// Rows that can be added and taken away: [data-rows] holds [data-row]s and one [data-add-row] button.
document.addEventListener("click", (event) => {
  const adder = event.target.closest("[data-add-row]");
  if (adder) {
    const rows = adder.closest("[data-rows]").querySelectorAll("[data-row]");
    const fresh = rows[rows.length - 1].cloneNode(true);
    for (const field of fresh.querySelectorAll("input, textarea")) field.value = "";
    rows[rows.length - 1].after(fresh);
    fresh.querySelector("input, textarea")?.focus();
  }
  const remover = event.target.closest("[data-remove-row]");
  if (remover) {
    const row = remover.closest("[data-row]");
    if (row.parentElement.querySelectorAll("[data-row]").length > 1) row.remove();
    else for (const field of row.querySelectorAll("input, textarea")) field.value = "";
  }
});
