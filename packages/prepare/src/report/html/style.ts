/** How the page looks, light and dark. Charts take their colours from the same variables. */
import type { Markup } from './markup.ts';

export const STYLE: Markup = {
  markup: `
:root { color-scheme: light dark;
  --page: #f5f6f8; --card: #ffffff; --line: #e3e6eb; --grid: #edeff3; --text: #14181f; --soft: #5c6675; --faint: #929bab;
  --good: #0b8a6f; --good-wash: #e2f5ef; --plain: #3d6fd9; --plain-wash: #e8effc; --bad: #c8374a; --bad-wash: #fcebed;
  --warn: #b26a00; --warn-wash: #fdf1dd; --bar: #b9c6dd; --heat: 11,138,111; --shadow: 0 1px 2px rgb(20 24 31 / 5%), 0 4px 16px rgb(20 24 31 / 4%); }
@media (prefers-color-scheme: dark) { :root {
  --page: #0d1117; --card: #151b23; --line: #262e39; --grid: #1e2530; --text: #e7ebf1; --soft: #9aa5b5; --faint: #6b7686;
  --good: #3fd0ab; --good-wash: #10312b; --plain: #7fa7f8; --plain-wash: #18253f; --bad: #f27a89; --bad-wash: #3a1a20;
  --warn: #efb45b; --warn-wash: #372710; --bar: #3a475c; --heat: 63,208,171; --shadow: none; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; font-variant-numeric: tabular-nums; -webkit-font-smoothing: antialiased; }
main { max-width: 1120px; margin: 0 auto; padding: 48px 24px 64px; }
h1 { font-size: 40px; line-height: 1.1; letter-spacing: -.025em; margin: 4px 0 10px; font-weight: 680; overflow-wrap: anywhere; }
h2 { font-size: 17px; letter-spacing: -.01em; margin: 0 0 2px; font-weight: 640; }
p { margin: 0; } code, .mono { font: 12.5px/1.5 ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.over { font-size: 12px; letter-spacing: .09em; text-transform: uppercase; color: var(--faint); font-weight: 640; }
.lead { font-size: 18px; color: var(--soft); max-width: 64ch; } .lead b { color: var(--text); font-weight: 640; }
.meta { margin-top: 14px; color: var(--faint); font-size: 13px; display: flex; flex-wrap: wrap; gap: 4px 18px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 20px 22px; box-shadow: var(--shadow); min-width: 0; }
.card > .note, section > .note { color: var(--soft); font-size: 13.5px; margin-bottom: 14px; }
section { margin-top: 20px; } .grid { display: grid; gap: 20px; } .two { grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
.tiles { grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 14px; }
.tile { padding: 16px 18px; } .tile .value { font-size: 25px; font-weight: 640; letter-spacing: -.02em; margin-top: 2px; white-space: nowrap; } .tile .under { font-size: 13px; color: var(--soft); }
.pick .value { font-size: 19px; overflow-wrap: anywhere; white-space: normal; } .pick.chosen { border-color: var(--good); box-shadow: inset 0 0 0 1px var(--good); }
.chip { display: inline-block; padding: 1px 9px; border-radius: 99px; font-size: 12px; font-weight: 620; white-space: nowrap; vertical-align: middle; }
.winner { color: var(--good); background: var(--good-wash); } .passed { color: var(--plain); background: var(--plain-wash); }
.failed { color: var(--bad); background: var(--bad-wash); } .error, .refused { color: var(--warn); background: var(--warn-wash); }
.up { color: var(--bad); } .down { color: var(--good); }
.scroll { overflow-x: auto; margin: 0 -22px; padding: 0 22px; } table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: right; font-weight: 560; font-size: 12.5px; color: var(--faint); padding: 6px 10px; white-space: nowrap; }
td { text-align: right; padding: 12px 10px 3px; border-top: 1px solid var(--line); white-space: nowrap; vertical-align: baseline; }
th:nth-child(2), td:nth-child(2) { text-align: left; } th:first-child, td:first-child { text-align: left; padding-left: 0; } th:last-child, td:last-child { padding-right: 0; }
td b { font-weight: 640; } td small { display: block; color: var(--faint); font-size: 12px; }
tr.why td { border: 0; padding: 0 0 12px; text-align: left; color: var(--soft); font-size: 13.5px; white-space: normal; }
table.trials { font-size: 13px; } details { margin-top: 4px; } summary { cursor: pointer; color: var(--faint); font-size: 12.5px; } summary:hover { color: var(--text); }
ul.plain { list-style: none; font-size: 13.5px; margin: 6px 0 0; padding: 0; } ul.plain li { padding: 2px 0 2px 20px; position: relative; } ul.plain li::before { content: attr(data-mark); position: absolute; left: 2px; font-weight: 700; }
li.ok::before { color: var(--good); } li.no::before { color: var(--bad); } li.note::before { color: var(--faint); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 6px 18px; margin: 10px 0 0; font-size: 14px; } dt { color: var(--faint); } dd { margin: 0; min-width: 0; overflow-wrap: anywhere; }
ol.steps { list-style: none; margin: 14px 0 0; padding: 0; font-size: 14px; } ol.steps li { position: relative; padding: 0 0 14px 22px; border-left: 2px solid var(--line); margin-left: 5px; } ol.steps li:last-child { border-color: transparent; padding-bottom: 0; }
ol.steps li::before { content: ""; position: absolute; left: -6px; top: 6px; width: 10px; height: 10px; border-radius: 50%; background: var(--card); border: 2px solid var(--good); }
svg { display: block; width: 100%; height: auto; font: 12px system-ui, sans-serif; font-variant-numeric: tabular-nums; } svg text { fill: var(--soft); } svg .name { fill: var(--text); font-weight: 600; } svg .faint { fill: var(--faint); font-size: 11px; }
.flags { display: flex; flex-wrap: wrap; gap: 5px; } .flags span { font-size: 11.5px; padding: 0 7px; border: 1px solid var(--line); border-radius: 5px; color: var(--soft); }
footer { margin-top: 28px; color: var(--faint); font-size: 12.5px; } .legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 12.5px; color: var(--soft); margin-top: 10px; } .legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
@media print { body { background: #fff; } .card { box-shadow: none; break-inside: avoid; } details { display: none; } }
`,
};
