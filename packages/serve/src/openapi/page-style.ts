/** How `/docs` looks, light and dark; the colours are those of the build report. */
export const STYLE = `
:root { color-scheme: light dark;
  --page: #f5f6f8; --card: #ffffff; --line: #e3e6eb; --text: #14181f; --soft: #5c6675; --faint: #8a94a5; --well: #f7f8fa;
  --good: #0b8a6f; --good-wash: #e2f5ef; --plain: #3d6fd9; --plain-wash: #e8effc; --bad: #c8374a; --bad-wash: #fcebed;
  --warn: #b26a00; --warn-wash: #fdf1dd; --shadow: 0 1px 2px rgb(20 24 31 / 5%), 0 4px 16px rgb(20 24 31 / 4%); }
@media (prefers-color-scheme: dark) { :root {
  --page: #0d1117; --card: #151b23; --line: #262e39; --text: #e7ebf1; --soft: #9aa5b5; --faint: #6b7686; --well: #10161e;
  --good: #3fd0ab; --good-wash: #10312b; --plain: #7fa7f8; --plain-wash: #18253f; --bad: #f27a89; --bad-wash: #3a1a20;
  --warn: #efb45b; --warn-wash: #372710; --shadow: none; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 20px; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; font-variant-numeric: tabular-nums; -webkit-font-smoothing: antialiased; }
a { color: var(--plain); text-decoration: none; } a:hover { text-decoration: underline; }
code, pre, textarea, .mono { font: 12.5px/1.55 ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, monospace; }
.frame { display: grid; grid-template-columns: 232px minmax(0, 1fr); gap: 40px; max-width: 1180px; margin: 0 auto; padding: 0 28px; }
nav { position: sticky; top: 0; align-self: start; height: 100vh; overflow-y: auto; padding: 44px 10px 32px; margin: 0 -10px; font-size: 14px; }
nav .brand { font-weight: 700; font-size: 17px; letter-spacing: -.02em; display: block; color: var(--text); }
nav .brand small { display: block; font-weight: 450; font-size: 12.5px; color: var(--faint); letter-spacing: 0; }
nav h2 { font-size: 11.5px; letter-spacing: .09em; text-transform: uppercase; color: var(--faint); font-weight: 640; margin: 26px 0 6px; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li a { display: block; color: var(--soft); padding: 4px 10px; margin: 0 -10px; border-radius: 7px; overflow-wrap: anywhere; }
nav li a:hover { background: var(--card); color: var(--text); text-decoration: none; }
main { padding: 44px 0 96px; min-width: 0; }
h1 { font-size: 34px; line-height: 1.12; letter-spacing: -.025em; margin: 0 0 8px; font-weight: 680; }
.lead { font-size: 16.5px; color: var(--soft); max-width: 62ch; margin: 0; }
.meta { margin-top: 12px; color: var(--faint); font-size: 13px; display: flex; flex-wrap: wrap; gap: 4px 18px; }
section { margin-top: 44px; } section > h2 { font-size: 22px; letter-spacing: -.02em; margin: 0 0 2px; font-weight: 660; overflow-wrap: anywhere; }
section > h2 small { font-size: 13px; font-weight: 500; color: var(--faint); letter-spacing: 0; margin-left: 8px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 13px; box-shadow: var(--shadow); margin-top: 14px; min-width: 0; }
.io { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); }
.io > div { padding: 15px 20px 17px; min-width: 0; } .io > div + div { border-left: 1px solid var(--line); }
.io h3, .over { font-size: 11.5px; letter-spacing: .08em; text-transform: uppercase; color: var(--faint); font-weight: 640; margin: 0 0 7px; }
.tensor { display: flex; align-items: baseline; gap: 10px; flex-wrap: wrap; padding: 2px 0; } .tensor b { font-weight: 620; overflow-wrap: anywhere; } .tensor code { color: var(--soft); }
.stack { overflow: hidden; } details.operation + details.operation { border-top: 1px solid var(--line); }
details.operation > summary { list-style: none; cursor: pointer; padding: 10px 18px; display: flex; align-items: baseline; gap: 12px; flex-wrap: wrap; }
details.operation > summary::-webkit-details-marker { display: none; }
details.operation > summary:hover { background: var(--well); }
details.operation[open] > summary { background: var(--well); border-bottom: 1px solid var(--line); }
summary .path { overflow-wrap: anywhere; font-weight: 560; } summary .what { color: var(--faint); font-size: 13.5px; margin-left: auto; }
p code, dd code, small code { background: var(--well); border-radius: 4px; padding: 1px 4px; }
.verb { min-width: 48px; text-align: center; font: 640 11px/1 ui-monospace, Menlo, Consolas, monospace; padding: 4px 7px; border-radius: 5px; letter-spacing: .03em; }
.verb.get { color: var(--plain); background: var(--plain-wash); } .verb.post { color: var(--good); background: var(--good-wash); }
.verb.put { color: var(--warn); background: var(--warn-wash); } .verb.delete { color: var(--bad); background: var(--bad-wash); } .verb.options { color: var(--soft); background: var(--well); }
.body { padding: 16px 20px 20px; } .body > p { margin: 0 0 14px; color: var(--soft); font-size: 14px; max-width: 74ch; }
.group { margin: 26px 0 0; font-size: 15px; font-weight: 640; letter-spacing: -.01em; } .group small { font-weight: 450; color: var(--faint); margin-left: 8px; font-size: 13px; }
.try { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(100%, 340px), 1fr)); } .try > div { min-width: 0; }
textarea, pre { width: 100%; margin: 0; background: var(--well); color: var(--text); border: 1px solid var(--line); border-radius: 9px; padding: 11px 13px; min-height: 120px; max-height: 420px; overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; }
textarea { resize: vertical; height: 190px; display: block; } textarea:focus, select:focus, button:focus-visible { outline: 2px solid var(--plain); outline-offset: 1px; }
pre.answer { height: 190px; } pre.curl { min-height: 0; margin-top: 4px; }
.bar { display: flex; align-items: center; gap: 10px; flex-wrap: wrap; margin: 12px 0 0; font-size: 13px; color: var(--soft); }
button { font: inherit; font-weight: 600; font-size: 14px; color: #fff; background: var(--good); border: 0; border-radius: 8px; padding: 7px 18px; cursor: pointer; } @media (prefers-color-scheme: dark) { button { color: #06251d; } }
button:hover { filter: brightness(1.06); } button:disabled { opacity: .55; cursor: wait; } button.quiet { color: var(--soft); background: none; border: 1px solid var(--line); padding: 6px 12px; font-weight: 520; font-size: 13px; }
select { font: inherit; font-size: 13px; color: var(--text); background: var(--card); border: 1px solid var(--line); border-radius: 7px; padding: 5px 8px; max-width: 100%; }
label { display: inline-flex; align-items: center; gap: 7px; }
.status { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: 12.5px; font-weight: 620; } .status.good { color: var(--good); background: var(--good-wash); } .status.bad { color: var(--bad); background: var(--bad-wash); }
.errors { margin-top: 16px; font-size: 13px; color: var(--soft); } .errors summary { cursor: pointer; color: var(--faint); } .errors dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 14px; margin: 8px 0 0; } .errors dt { font-weight: 600; color: var(--text); } .errors dd { margin: 0; }
.empty { padding: 22px 20px; color: var(--soft); }
@media (max-width: 860px) { .frame { grid-template-columns: minmax(0, 1fr); gap: 0; padding: 0 16px; } nav { position: static; height: auto; padding: 28px 10px 0; } nav ul { display: flex; flex-wrap: wrap; gap: 0 22px; } main { padding-top: 26px; } .io > div + div { border-left: 0; border-top: 1px solid var(--line); } summary .what { margin-left: 0; width: 100%; } }
`;
