// Rate-distortion curves, and the BD matrix of the same distance.
"use strict";
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const chart = document.getElementById("curves");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 560px)");

  const colour = (codec) => data.colours[codec][dark.matches ? "dark" : "light"];
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const faint = (hex) => hex + "1f";

  function traces(metric, bands) {
    const found = [];
    for (const curve of metric.curves) {
      if (bands) {
        found.push({
          x: [...curve.bpp, ...curve.bpp.toReversed()], y: [...curve.low, ...curve.high.toReversed()], fill: "toself",
          fillcolor: faint(colour(curve.codec)), line: { width: 0 }, mode: "lines", hoverinfo: "skip", showlegend: false,
          legendgroup: curve.codec,
        });
      }
      found.push({
        x: curve.bpp, y: curve.value, name: curve.codec, legendgroup: curve.codec, mode: "lines+markers",
        line: { color: colour(curve.codec), width: 2.2 }, marker: { size: 6 },
        hovertemplate: "<b>%{fullData.name}</b> %{x:.3f} bpp, %{y:.3f}<extra></extra>",
      });
    }
    return found;
  }

  function layout(metric) {
    const axis = { gridcolor: token("--rule"), linecolor: token("--quiet"), zeroline: false, ticks: "" };
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest", dragmode: narrow.matches ? false : "zoom",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: token("--quiet") },
      hoverlabel: { bgcolor: token("--raised"), bordercolor: token("--rule"), font: { color: token("--ink") } },
      margin: { l: 46, r: 8, t: 34, b: 48 },
      title: { text: metric.axis, font: { size: 13, color: token("--ink") }, x: 0, xref: "paper", xanchor: "left", y: 0.98 },
      legend: narrow.matches
        ? { orientation: "h", y: -0.2, x: 0, font: { color: token("--ink") } }
        : { x: 1.02, y: 1, font: { color: token("--ink") } },
      xaxis: { ...axis, type: "log", title: { text: "bits per pixel", font: { size: 13 } }, tickvals: data.ticks, ticktext: data.ticks.map(String) },
      yaxis: axis,
    };
  }

  function draw() {
    const label = document.querySelector("input[name=metric]:checked").value;
    const metric = data.metrics.find((each) => each.label === label);
    const bands = document.getElementById("bands").checked;
    Plotly.react(chart, traces(metric, bands), layout(metric), {
      responsive: true, displaylogo: false, displayModeBar: false, doubleClick: "reset",
    });
    for (const matrix of document.querySelectorAll(".matrix")) matrix.hidden = matrix.dataset.metric !== label;
  }

  if (chart) {
    for (const input of document.querySelectorAll("input[name=metric], #bands")) input.addEventListener("change", draw);
    dark.addEventListener("change", draw);
    narrow.addEventListener("change", draw);
    draw();
  }
}
