// What the charts share: colours of codecs, axes, and how they follow the reader's scheme and screen.
"use strict";
const charts = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 560px)");
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (codec) => data.colours[codec][dark.matches ? "dark" : "light"];

  function layout({ title, x = {}, y = {}, annotations = [], legend }) {
    const axis = (own) => ({
      gridcolor: token("--rule"), linecolor: token("--quiet"), zeroline: false, ticks: "", automargin: true, ...own,
      title: { text: own.title ?? "", font: { size: 13 }, standoff: 8 },
    });
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", hovermode: "closest", dragmode: narrow.matches ? false : "zoom",
      font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: token("--quiet") },
      hoverlabel: { bgcolor: token("--raised"), bordercolor: token("--rule"), font: { color: token("--ink") } },
      margin: { l: 46, r: 8, t: 34, b: 48 }, annotations, xaxis: axis(x), yaxis: axis(y),
      title: { text: title, font: { size: 13, color: token("--ink") }, x: 0, xref: "paper", xanchor: "left", y: 0.98, yanchor: "top" },
      legend: { font: { color: token("--ink") }, ...(narrow.matches || legend === "below" ? { orientation: "h", y: -0.2, x: 0 } : { x: 1.02, y: 1 }) },
    };
  }

  const rates = (ticks) => ({ type: "log", title: "bits per pixel", tickvals: ticks, ticktext: ticks.map(String) });

  function draw(place, traces, look) {
    Plotly.react(place, traces, layout(look), { responsive: true, displaylogo: false, displayModeBar: false, doubleClick: "reset" });
  }

  function follow(inputs, show) { // draws now, and again when the reader chooses otherwise
    for (const input of document.querySelectorAll(inputs)) input.addEventListener("change", show);
    dark.addEventListener("change", show);
    narrow.addEventListener("change", show);
    show();
  }

  return { data, token, colour, rates, draw, follow };
})();
