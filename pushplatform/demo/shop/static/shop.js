/* The shop's own script: says who is signed in, and draws the panel for the curious. */
"use strict";

const identity = JSON.parse(document.getElementById("identity").textContent);

(window.PushPlatform ??= []).push(async (platform) => {
  platform.on("state", draw);
  platform.on("shown", (news) => announce("Shown", news));
  platform.on("clicked", (news) => announce("Clicked", news));
  draw(await platform.state());
  const answer = identity ? await platform.identify(identity) : await platform.logout();
  if (identity) explainLink(answer);
});

const PERMISSIONS = { granted: "allowed", denied: "blocked", default: "not asked" };
const PURPOSES = { personal_data: "Link to the customer number", measurement: "Measuring what arrives", offers: "Offers", order_updates: "Order updates" };

function summary(state) {
  if (!state.supported) return "This browser cannot receive notifications.";
  if (state.subscribed && state.linked_to) return `Subscribed, and known as ${state.linked_to}.`;
  if (state.subscribed) return "Subscribed, without a name.";
  if (state.permission === "denied") return "The browser blocks notifications of this shop.";
  return "Nothing. Nobody agreed to anything here.";
}

function draw(state) {
  document.getElementById("panel-summary").textContent = summary(state);
  const facts = {
    Permission: state.permission ? PERMISSIONS[state.permission] : "not possible here",
    "Push service": state.push_service ?? "none",
    "Device id": state.device_id ?? "none",
    "Customer number": state.linked_to ?? "not linked",
    "Last told the platform": state.refreshed_at ? new Date(state.refreshed_at).toLocaleString() : "never",
    "Reports waiting": String(state.reports_waiting),
  };
  const rows = Object.entries(facts).flatMap(([name, value]) => [element("dt", name), element("dd", value)]);
  document.getElementById("panel-facts").replaceChildren(...rows);
  const consents = Object.entries(state.consents).map(([purpose, { decision }]) => {
    const said = decision === "granted" ? element("span", "yes", "yes") : element("span", "withdrawn", "no");
    return element("li", [element("span", PURPOSES[purpose] ?? purpose), said]);
  });
  const none = element("li", "Nothing yet.", "none");
  document.getElementById("panel-consents").replaceChildren(...(consents.length ? consents : [none]));
}

function announce(what, { title }) {
  const list = document.getElementById("panel-news");
  list.querySelector(".none")?.remove();
  list.prepend(element("li", [element("span", title), element("span", `${what} ${new Date().toLocaleTimeString()}`, "no")]));
}

function explainLink({ linked, reason }) {
  const line = document.getElementById("account-link");
  if (!line) return;
  if (linked) line.textContent = "This browser is linked to your customer number, as you agreed.";
  else if (reason === "personal_data_needed") line.textContent = "This browser gets notifications, but without your name: you have not agreed to the link.";
  else if (reason === "not_subscribed") line.textContent = "This browser gets none yet.";
}

function element(tag, content, className = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...(Array.isArray(content) ? content : [content]));
  return made;
}
