/**
 * The card's looks, inside its shadow root. Light or dark follows the page's own `color-scheme`; a shop gives its
 * colour with `--push-accent` (and `--push-accent-text`) on :root, its typeface is taken over.
 */
export const STYLE = `
:host {
  all: initial;
  color-scheme: inherit;
  font-family: inherit;
  --paper: light-dark(#ffffff, #1d2126);
  --ink: light-dark(#1b2026, #eef1f4);
  --quiet: light-dark(#56606b, #aab3bd);
  --line: light-dark(#dde2e7, #3a424b);
  --wash: light-dark(#f4f6f8, #262c33);
  --accent: var(--push-accent, light-dark(#2456d6, #8fb1ff));
  --on-accent: var(--push-accent-text, light-dark(#ffffff, #10203f));
  --alarm: light-dark(#a3261b, #ffb4a9);
}
* { box-sizing: border-box; }
.card {
  position: fixed; z-index: 2147483000; inset: auto auto 20px 20px;
  width: min(392px, calc(100vw - 24px)); max-height: calc(100dvh - 40px); overflow: auto;
  padding: 20px; border: 1px solid var(--line); border-radius: 16px;
  background: var(--paper); color: var(--ink);
  font-size: 15px; line-height: 1.45;
  box-shadow: 0 1px 2px rgb(0 0 0 / .08), 0 12px 40px rgb(0 0 0 / .18);
  animation: rise .22s ease-out;
}
.card:focus { outline: none; }
@keyframes rise { from { opacity: 0; transform: translateY(12px); } }
@media (prefers-reduced-motion: reduce) { .card { animation: none; } }
@media (max-width: 480px) {
  .card { inset: auto 12px calc(12px + env(safe-area-inset-bottom)) 12px; width: auto; }
}
header { display: flex; gap: 12px; align-items: flex-start; }
.bell {
  flex: none; width: 36px; height: 36px; padding: 8px; border-radius: 50%;
  color: var(--accent); background: color-mix(in srgb, var(--accent) 14%, transparent);
}
h2 { flex: 1; margin: 0; padding-top: 6px; font-size: 17px; line-height: 1.35; font-weight: 650; text-wrap: balance; }
p { margin: 8px 0 0; color: var(--quiet); }
fieldset { margin: 16px 0 0; padding: 0; border: 0; min-width: 0; }
legend { padding: 0; margin-bottom: 6px; font-size: 13px; font-weight: 600; color: var(--quiet); }
label { display: flex; gap: 10px; padding: 9px 12px; border: 1px solid var(--line); cursor: pointer; }
label + label { border-top: 0; }
label:first-of-type { border-radius: 10px 10px 0 0; }
label:last-of-type { border-radius: 0 0 10px 10px; }
label:only-of-type { border-radius: 10px; }
label:hover { background: var(--wash); }
label:has(:focus-visible) { outline: 2px solid var(--accent); outline-offset: -2px; }
input { flex: none; width: 18px; height: 18px; margin: 2px 0 0; accent-color: var(--accent); outline: none; }
label b { display: block; font-weight: 600; }
label span { min-width: 0; overflow-wrap: anywhere; }
label small { display: block; font-size: 13px; line-height: 1.4; color: var(--quiet); }
.plain { margin-top: 10px; padding: 4px 2px; border: 0; }
.plain:hover { background: none; }
.buttons { display: flex; flex-wrap: wrap; gap: 10px; margin-top: 18px; }
button { font: inherit; color: inherit; cursor: pointer; }
.buttons button {
  flex: 1 1 130px; min-height: 44px; padding: 9px 16px; border-radius: 10px; font-weight: 600;
  border: 1px solid var(--accent); background: none; color: var(--accent);
}
.buttons .main { background: var(--accent); color: var(--on-accent); }
.buttons button:hover { filter: brightness(1.06); }
.buttons button:not(.main):hover { background: color-mix(in srgb, var(--accent) 8%, transparent); }
button:disabled { opacity: .55; cursor: default; }
button:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.close {
  flex: none; width: 32px; height: 32px; margin: -6px -8px 0 0; padding: 8px; border: 0; border-radius: 8px;
  background: none; color: var(--quiet);
}
.close:hover { background: var(--wash); color: var(--ink); }
.note { font-size: 13px; }
.note a { color: inherit; }
.status:empty { display: none; }
.status { color: var(--ink); font-weight: 500; }
.status.wrong { color: var(--alarm); }
svg { display: block; width: 100%; height: 100%; fill: none; stroke: currentColor; stroke-width: 2;
  stroke-linecap: round; stroke-linejoin: round; }
`;
