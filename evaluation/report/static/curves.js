// Rate-distortion curves, and the BD matrix of the same distance.
"use strict";
{
  const { data, colour, mark, rates, draw, follow } = charts;
  const chart = document.getElementById("curves");
  const faint = (hex) => hex + "1f";

  function traces(metric, bands) {
    const found = [];
    for (const curve of metric.curves) {
      const { band, published } = curve;
      if (bands && band) {
        found.push({
          x: [...band.bpp, ...band.bpp.toReversed()], y: [...band.low, ...band.high.toReversed()], fill: "toself",
          fillcolor: faint(colour(curve.codec)), line: { width: 0 }, mode: "lines", hoverinfo: "skip", showlegend: false,
          legendgroup: curve.codec,
        });
      }
      found.push({
        x: curve.bpp, y: curve.value, name: curve.codec, legendgroup: curve.codec, mode: published ? "lines" : "lines+markers",
        line: { color: colour(curve.codec), width: published ? 1.6 : 2.2, dash: published ? "dash" : "solid" }, marker: mark(curve.codec, 7),
        hovertemplate: "<b>%{fullData.name}</b> %{x:.3f} bpp, %{y:.3f}<extra></extra>",
      });
    }
    if (metric.original !== null) {
      const bpp = metric.curves.flatMap((curve) => curve.bpp);
      found.push({
        x: [Math.min(...bpp), Math.max(...bpp)], y: [metric.original, metric.original], name: "original", mode: "lines",
        line: { color: "#888", width: 1.2, dash: "dot" }, hovertemplate: "<b>%{fullData.name}</b> %{y:.3f}<extra></extra>",
      });
    }
    return found;
  }

  function show() {
    const label = document.querySelector("input[name=metric]:checked").value;
    const metric = data.metrics.find((metric) => metric.label === label);
    draw(chart, traces(metric, document.getElementById("bands").checked), { title: metric.axis, x: rates(data.ticks) });
    for (const matrix of document.querySelectorAll(".matrix")) matrix.hidden = matrix.dataset.metric !== label;
  }

  if (chart) follow("input[name=metric], #bands", show);
}
