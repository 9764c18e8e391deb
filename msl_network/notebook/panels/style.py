"""How the panels look: in the colours of JupyterLab's theme, or those of a light one."""

__all__ = ["STYLE"]

STYLE = """<style>
.msl-panel {
  container-type: inline-size;
  box-sizing: border-box;
  max-width: 64em;
  padding: 10px 14px;
  margin-bottom: 8px;
  gap: 4px;
  border: 1px solid var(--jp-border-color2, #ccc);
  border-radius: 4px;
  color: var(--jp-ui-font-color1, #222);
}
:is(.msl-panel, .msl-result-view) :is(.widget-label, .widget-html-content) { color: inherit; }
:is(.msl-panel, .msl-result-view) :is(.widget-html, .widget-html-content) {
  height: auto; min-width: 0; }
:is(.msl-panel, .msl-result-view) .widget-html-content { line-height: 1.45; width: 100%; }
.msl-panel input:disabled, .msl-panel select:disabled { opacity: 0.7; }
[data-jp-theme-light=false] .msl-panel .widget-dropdown > select { appearance: auto;
  background-image: none; color-scheme: dark; }
.msl-panel input::placeholder { color: var(--jp-ui-font-color2, #666); opacity: 1; }
.msl-panel button:focus-visible, .msl-panel input[type=checkbox]:focus-visible {
  outline: 2px solid var(--jp-brand-color1, #1976d2);
  outline-offset: 1px;
}
.msl-title { font-size: 1.15em; font-weight: 600; }
.msl-quiet { color: var(--jp-ui-font-color2, #666); }
.msl-status { white-space: pre-wrap; overflow-wrap: anywhere; margin: 2px 0; }
.msl-icon { display: inline-block; width: 1.4em; font-weight: bold; }
.msl-ok .msl-icon { color: var(--jp-success-color1, #2e7d32); }
.msl-busy .msl-icon { color: var(--jp-warn-color1, #ef6c00); }
.msl-error .msl-icon, .msl-complaint { color: var(--jp-error-color1, #c62828); }
.msl-complaint { margin-left: 8.2em; overflow-wrap: anywhere; }
:is(.msl-panel, .msl-result-view) :is(pre, code), .msl-mono {
  font-family: var(--jp-code-font-family, monospace);
  font-size: var(--jp-code-font-size, 13px);
  color: var(--jp-content-font-color1, #222);
}
:is(.msl-panel, .msl-result-view) pre { white-space: pre-wrap; overflow-wrap: anywhere;
  margin: 4px 0; max-height: 24em; overflow: auto; }
.msl-code { display: block; padding: 3px 8px; background: var(--jp-layout-color2, #eee);
  border-radius: 2px; overflow-wrap: anywhere; white-space: pre-wrap; user-select: all; }
.msl-value { font-family: var(--jp-code-font-family, monospace); overflow-wrap: anywhere; }
.msl-result { padding: 4px 8px; border-left: 3px solid var(--jp-success-color1, #2e7d32); }
.msl-result.msl-failed { border-color: var(--jp-error-color1, #c62828); }
:is(.msl-panel, .msl-result-view) summary { cursor: pointer; }
.msl-scroll { overflow: auto; max-height: 24em; }
:is(.msl-panel, .msl-result-view) table.msl-table { border-collapse: collapse; margin: 4px 0;
  font-size: inherit; }
.msl-table th, .msl-table td { padding: 2px 10px 2px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--jp-border-color3, #e0e0e0); overflow-wrap: anywhere; }
.msl-table th { font-weight: 600; color: var(--jp-ui-font-color1, #222); white-space: nowrap; }
.msl-table td { color: var(--jp-content-font-color1, #222); }
.msl-table td.msl-mono { min-width: 12em; }
.msl-table td.msl-number { text-align: right; font-variant-numeric: tabular-nums; }
.msl-question { padding: 8px 12px; margin: 4px 0; border-radius: 3px;
  border: 2px solid var(--jp-warn-color1, #ef6c00); }
.msl-row { border-bottom: 1px solid var(--jp-border-color2, #e0e0e0); align-items: center; }
.msl-cells { display: grid; grid-template-columns: 3fr 3fr 2fr 2fr 2fr; column-gap: 10px; }
.msl-services { grid-template-columns: 7fr 5fr 4fr; padding: 3px 0; }
.msl-name { display: inline-block; max-width: 100%; }
@container (max-width: 58em) {
  .msl-panel .msl-service { flex-flow: row wrap !important; }
  .msl-panel .msl-service > .widget-html { flex: 1 1 100% !important; }
  .msl-panel .msl-service > .widget-box:not(.widget-hbox) { display: none; }
  .msl-panel .msl-service > .widget-hbox { width: auto !important; margin-bottom: 3px; }
}
.msl-cells span { overflow-wrap: anywhere; }
.msl-cells.msl-head { font-weight: 600; }
.msl-panel .msl-running { height: 46px; flex: none; overflow: hidden; align-items: center;
  gap: 8px; }
.msl-running > .widget-html { min-width: 0 !important; }
.msl-running > button { flex: none; }
.msl-cut { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.msl-caption { margin-top: 6px; overflow-wrap: anywhere; }
.msl-bar { display: flex; flex-flow: row wrap; align-items: center; gap: 6px; margin: 8px 0 4px; }
.msl-panel button.msl-small { width: auto; min-width: 0; padding: 0 8px; }
.msl-heard { position: absolute; width: 1px; height: 1px; margin: -1px; overflow: hidden;
  clip-path: inset(50%); }
.msl-line { align-items: flex-start; gap: 4px; }
.msl-line > .widget-html { flex: 1 1 auto; }
.msl-table td.msl-whole { white-space: nowrap; overflow-wrap: normal; }
.msl-history-scroll { max-height: 16em; }
.msl-panel table.msl-history { width: 100%; margin: 0; }
.msl-history thead th { position: sticky; top: 0; background: var(--jp-layout-color1, #fff); }
.msl-history th:last-child { text-align: right; }
.msl-history td:nth-child(2) { min-width: 9em; }
.msl-history button { font: inherit; color: inherit; background: none; border: 0; padding: 0;
  text-align: left; cursor: pointer; overflow-wrap: anywhere; }
.msl-history .msl-choice { font-family: var(--jp-code-font-family, monospace); }
.msl-history .msl-choice:hover, .msl-history .msl-sorter:hover { text-decoration: underline; }
.msl-history .msl-choice[aria-current] { font-weight: bold; }
.msl-counters { display: flex; flex-flow: row wrap; gap: 0 16px; }
.msl-counters b { font-variant-numeric: tabular-nums; }
.msl-panel .msl-notifications { overflow: auto; height: 14em; }
.msl-panel .msl-notifications:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); }
.msl-notifications .msl-table { width: 100%; margin: 0; }
.msl-notifications thead th { position: sticky; top: 0; background: var(--jp-layout-color1, #fff); }
.msl-notifications .msl-mono { width: 100%; }
.msl-when { white-space: nowrap; font-variant-numeric: tabular-nums; }
.msl-result-view { min-width: 0; color: var(--jp-ui-font-color1, #222); }
.msl-unit { margin-left: 0.3em; }
.msl-number { white-space: nowrap; }
.msl-result-view th.msl-number { text-align: right; }
.msl-statistics td { min-width: 5.5em; }
.msl-at-end { display: flex; flex-direction: column-reverse; align-items: flex-start; }
.msl-picture { max-width: 100%; height: auto; margin: 4px 0; display: block; }
.msl-pixels { image-rendering: pixelated; }
.msl-scale { display: flex; flex-flow: row wrap; align-items: center; gap: 6px; }
.msl-result-view a[download] { color: var(--jp-content-link-color, #1565c0);
  text-decoration: underline; }
@container (max-width: 44em) {
  .msl-result-view .msl-statistics th { white-space: normal; overflow-wrap: normal;
    vertical-align: bottom; }
  .msl-statistics td { min-width: 4em; }
  .msl-result-view table.msl-statistics { font-size: 0.85em; }
  .msl-statistics :is(th, td) { padding-right: 8px; }
  .msl-head { display: none; }
  .msl-cells { grid-template-columns: 1fr; padding: 4px 0; }
  .msl-cells span[data-label]::before { content: attr(data-label) ": ";
    color: var(--jp-ui-font-color2, #666); }
  .msl-complaint { margin-left: 0; }
  .msl-panel .msl-row { flex-flow: row wrap !important; }
  .msl-panel .msl-row > .widget-html { flex: 1 1 100% !important; }
  .msl-panel .msl-row > .widget-hbox { width: auto !important; }
  .msl-panel :is(.widget-text, .widget-dropdown) { min-width: 0 !important; }
  .msl-panel :is(.widget-text, .widget-dropdown):not(.msl-parameter > *) {
    flex-basis: 100% !important; }
}
.msl-log { display: flex; flex-direction: column-reverse; max-height: 20em; overflow: auto;
  border: 1px solid var(--jp-border-color2, #ccc); border-radius: 2px; padding: 0 8px; }
.msl-panel .msl-log pre { max-height: none; overflow: visible; margin-bottom: auto; }
.msl-panel .msl-form { display: grid; gap: 2px 8px; overflow: visible;
  grid-template-columns: repeat(auto-fill, minmax(min(18em, 100%), 1fr)); }
.msl-panel .msl-form > * { min-width: 0 !important; }
@container (min-width: 36em) { .msl-panel .msl-form > .msl-wide { grid-column: span 2; } }
.msl-panel .msl-question { overflow: visible; }
.msl-panel .msl-question > .widget-text { flex: none !important; }
@container (max-width: 30em) {
  .msl-question .msl-table :is(tbody, tr, th, td) { display: block; min-width: 0 !important; }
  .msl-question .msl-table th { border: 0; }
}
.msl-dashboard > .widget-radio { margin: 0; height: auto; }
.msl-dashboard > .widget-radio .widget-radio-box { flex-flow: row wrap; height: auto; }
.msl-launch .msl-status { max-height: 16em; overflow: auto; }
.msl-dashboard { container-type: inline-size; max-width: 128em; gap: 8px;
  color: var(--jp-ui-font-color1, #222); }
.msl-dashboard .msl-panel { max-width: none; margin: 0; }
.msl-dashboard .msl-columns { display: grid; grid-template-columns: minmax(0, 1fr); gap: 8px;
  align-items: start; overflow: visible; }
@container (min-width: 60em) {
  .msl-dashboard .msl-columns { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); }
}
.msl-service .msl-log { height: 14em; max-height: none; resize: vertical; }
.msl-log .msl-failed { color: var(--jp-error-color1, #c62828); }
.msl-log .msl-told { color: var(--jp-ui-font-color2, #666); }
.msl-panel table.msl-facts { width: 100%; }
.msl-facts td { width: 100%; max-width: 0; font-variant-numeric: tabular-nums; }
</style>"""
