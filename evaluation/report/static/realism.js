// Realism over rate, and the distortion-realism plane with an arrow to where both are better.
"use strict";
{
  const { data, token, colour, rates, draw, follow } = charts;
  const { realism } = data;
  const family = (codec) => codec.split("@")[0]; // points of one slider look alike, and have one name in the legend
  const chosen = (name) => Number(document.querySelector(`input[name=${name}]:checked`).value);

  function trace(curve, at, x, more) {
    const { codec } = curve[0];
    curve = curve.filter((point) => point.realism[at] !== null && x(point) !== null); // what was measured
    const figures = curve.map((point) => point.realism[at]);
    const error = figures.every((each) => each.length === 3) && {
      type: "data", symmetric: false, thickness: 1, width: 0, array: figures.map(([value, , high]) => high - value),
      arrayminus: figures.map(([value, low]) => value - low),
    };
    const first = realism.curves.find(([each]) => family(each.codec) === family(codec));
    return {
      x: curve.map(x), y: figures.map(([value]) => value), error_y: error || {}, mode: "lines+markers",
      line: { color: colour(codec), width: 2 }, marker: { size: 7, color: colour(codec) }, name: family(codec),
      legendgroup: family(codec), showlegend: codec === first[0].codec, text: curve.map((each) => `<b>${each.codec}</b> ${each.bpp.toFixed(3)} bpp`),
      hovertemplate: "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>", ...more,
    };
  }

  function overRate(at) {
    draw("rate-realism", realism.curves.map((curve) => trace(curve, at, ({ bpp }) => bpp, {
      hovertemplate: "%{text}, %{y:.4g}<extra></extra>",
    })), { title: realism.measures[at], x: rates(realism.ticks), y: { autorange: "reversed", title: "more realism →" }, legend: "below" });
  }

  function plane(at, by) {
    const { title, better } = realism.distances[by];
    const distortion = (point) => point.means[by];
    const several = realism.curves.some((curve) => curve.length > 1);
    const found = realism.curves.map((curve) => trace(curve, at, distortion, {
      mode: several ? "lines+markers" : "markers", line: { color: colour(curve[0].codec), width: 1.2 },
    }));
    found.push(...realism.sliders.map((path) => ({
      ...trace(path, at, distortion, {}), error_y: {}, mode: "lines", line: { color: colour(path.at(-1).codec), width: 3 }, hoverinfo: "skip",
      hovertemplate: null, showlegend: false,
    })));
    if (several) {
      found.push({
        ...trace(realism.curves[0], at, distortion, {}), error_y: {}, mode: "text", text: realism.curves[0].map(({ rate }) => `${rate} bpp`),
        textposition: "bottom center", textfont: { color: token("--quiet"), size: 12 }, cliponaxis: false, hoverinfo: "skip",
        hovertemplate: null, legendgroup: "", showlegend: false,
      });
    }
    const arrow = {
      text: "better", xref: "paper", yref: "paper", x: 1, y: 1, yshift: 26, ax: -46, ay: 14, showarrow: true, arrowhead: 2,
      arrowcolor: token("--quiet"), font: { color: token("--quiet") },
    };
    draw("plane", found, {
      title: realism.measures[at], annotations: [arrow], legend: "below", y: { autorange: "reversed", title: "more realism →" },
      x: { autorange: better > 0 ? true : "reversed", title: `${title}   less distortion →` },
    });
  }

  function show() {
    const at = chosen("measure");
    if (document.getElementById("rate-realism")) overRate(at);
    plane(at, chosen("distortion"));
  }

  if (realism) follow("input[name=measure], input[name=distortion]", show);
}
