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
.msl-panel .widget-label, .msl-panel .widget-html-content { color: inherit; }
.msl-panel .widget-html, .msl-panel .widget-html-content { height: auto; min-width: 0; }
.msl-panel .widget-html-content { line-height: 1.45; width: 100%; }
.msl-panel input:disabled, .msl-panel select:disabled { opacity: 0.7; }
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
.msl-panel pre, .msl-panel code, .msl-mono {
  font-family: var(--jp-code-font-family, monospace);
  font-size: var(--jp-code-font-size, 13px);
  color: var(--jp-content-font-color1, #222);
}
.msl-panel pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 4px 0; max-height: 24em;
  overflow: auto; }
.msl-code { display: block; padding: 3px 8px; background: var(--jp-layout-color2, #eee);
  border-radius: 2px; overflow-wrap: anywhere; white-space: pre-wrap; user-select: all; }
.msl-value { font-family: var(--jp-code-font-family, monospace); overflow-wrap: anywhere; }
.msl-result { padding: 4px 8px; border-left: 3px solid var(--jp-success-color1, #2e7d32); }
.msl-result.msl-failed { border-color: var(--jp-error-color1, #c62828); }
.msl-panel summary { cursor: pointer; }
.msl-scroll { overflow: auto; max-height: 24em; }
.msl-panel table.msl-table { border-collapse: collapse; margin: 4px 0; font-size: inherit; }
.msl-table th, .msl-table td { padding: 2px 10px 2px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--jp-border-color3, #e0e0e0); overflow-wrap: anywhere; }
.msl-table th { font-weight: 600; color: var(--jp-ui-font-color1, #222); white-space: nowrap; }
.msl-table td { color: var(--jp-content-font-color1, #222); }
.msl-table td.msl-mono { min-width: 12em; }
.msl-table td.msl-number { text-align: right; font-variant-numeric: tabular-nums; }
.msl-question { padding: 8px 12px; margin: 4px 0; border-radius: 3px;
  border: 2px solid var(--jp-warn-color1, #ef6c00); }
.msl-row { border-bottom: 1px solid var(--jp-border-color3, #e0e0e0); align-items: center; }
.msl-cells { display: grid; grid-template-columns: 3fr 3fr 2fr 2fr 2fr; column-gap: 10px; }
.msl-cells span { overflow-wrap: anywhere; }
.msl-cells.msl-head { font-weight: 600; }
@container (max-width: 44em) {
  .msl-head { display: none; }
  .msl-cells { grid-template-columns: 1fr; padding: 4px 0; }
  .msl-cells span[data-label]::before { content: attr(data-label) ": ";
    color: var(--jp-ui-font-color2, #666); }
  .msl-complaint { margin-left: 0; }
  .msl-panel .msl-row { flex-flow: row wrap !important; }
  .msl-panel .msl-row > .widget-html { flex: 1 1 100% !important; }
  .msl-panel .msl-row > .widget-hbox { width: auto !important; }
  .msl-panel .widget-text, .msl-panel .widget-dropdown { min-width: 0 !important;
    flex-basis: 100% !important; }
}
</style>"""
