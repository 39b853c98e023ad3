// Saves the unknown ids of an upload as a file.

const button = document.querySelector("[data-save-unknown]");
// No spreadsheet takes a cell for a formula (OWASP, CSV Injection).
const quoted = (text) => `"${String(text).replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;

button?.addEventListener("click", () => {
  const rows = [["line", "external_id"], ...JSON.parse(document.querySelector("#unknown").textContent)];
  const file = new Blob([rows.map((row) => row.map(quoted).join(",")).join("\r\n")], { type: "text/csv" });
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: "unknown-ids.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
});
