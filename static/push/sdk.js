/*
 * The push platform on a shop's own pages. One line in the page:
 *   <script src="https://push.example/static/push/sdk.js" data-site="site_…" async></script>
 * and one file of the shop's, /push-sw.js, that imports sw.js. Nothing is asked or stored before a person clicks.
 * The work is in the modules beside this file; a page that wants to talk to it does so through a queue, which works
 * before and after they have loaded:
 *   (window.PushPlatform ??= []).push((platform) => platform.identify({…}));
 * The public face and its errors: docs/browser.md.
 */
(() => {
  "use strict";

  const script = document.currentScript;
  const queue = (window.PushPlatform ??= []);
  if (!Array.isArray(queue)) return; // the script stands twice on this page
  const { site, base, worker = "/push-sw.js", scope = "/" } = script?.dataset ?? {};
  if (!site) {
    console.error('push platform: sdk.js needs data-site="site_…" on its own <script> tag');
    return;
  }

  document.addEventListener("click", (event) => {
    const element = event.target.closest?.("[data-push-ask]");
    if (!element) return;
    const soft = element.dataset.pushAsk === "soft"; // a click meant for something else, which may lead to the question
    if (!soft) event.preventDefault();
    const purposes = element.dataset.pushPurposes?.split(/[\s,]+/).filter(Boolean);
    window.PushPlatform.push((platform) => platform.ask({ purposes, again: !soft }).catch(warn));
  });

  const warn = (error) => console.warn(`push platform: ${error.code ?? error.name}: ${error.message}`);

  const origin = (base ?? script.src.replace(/\/static\/push\/sdk\.js.*$/, "")).replace(/\/+$/, "");
  import(new URL("sdk/page.js", script.src))
    .then(({ start }) => {
      window.PushPlatform = start({ site, base: origin, worker, scope });
      for (const act of queue) window.PushPlatform.push(act);
    })
    .catch(warn); // the platform may be away: the shop works without it
})();
