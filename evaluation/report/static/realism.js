// Realism over rate, and the distortion-realism plane with an arrow to where both are better.
"use strict";
{
  const { data, token, colour, mark, rates, draw, follow, place } = charts;
  const { realism } = data;
  const family = (codec) => codec.split("@")[0];
  const chosen = (name) => Number(document.querySelector(`input[name=${name}]:checked`).value);

  function trace(curve, at, x, more) { // of the points that were measured by both
    const { codec } = curve[0];
    const points = curve.filter((point) => point.realism[at] !== null && x(point) !== null);
    const figures = points.map((point) => point.realism[at]);
    const error = figures.every((figure) => figure.length === 3) && {
      type: "data", symmetric: false, thickness: 1, width: 0, array: figures.map(([value, , high]) => high - value),
      arrayminus: figures.map(([value, low]) => value - low),
    };
    return {
      x: points.map(x), y: figures.map(([value]) => value), error_y: error || {}, mode: "lines+markers",
      line: { color: colour(codec), width: 2 }, marker: mark(codec, 8), name: codec, legendgroup: codec,
      text: points.map((point) => `<b>${point.codec}</b> ${point.bpp.toFixed(3)} bpp`),
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
    const measured = realism.curves.map((curve) => curve.filter((point) => point.realism[at] !== null && distortion(point) !== null))
      .filter((curve) => curve.length);
    const several = measured.some((curve) => curve.length > 1);
    const found = measured.map((curve) => trace(curve, at, distortion, {
      mode: several ? "lines+markers" : "markers", line: { color: colour(curve[0].codec), width: 1.2 },
    }));
    found.push(...realism.sliders.map((path) => ({
      ...trace(path, at, distortion, {}), error_y: {}, mode: "lines", line: { color: colour(path.at(-1).codec), width: 3 }, hoverinfo: "skip",
      hovertemplate: null, showlegend: false, legendgroup: family(path.at(-1).codec),
    })));
    const spot = (point, text, own) => ({ x: distortion(point), y: point.realism[at][0], text, colour: own });
    const points = measured.flat().map((point) => spot(point, ""));
    const steps = measured.filter((curve) => curve[0].slider !== null).map((curve) => spot(curve.at(-1), `${curve[0].slider}`, colour(curve[0].codec)));
    const marks = several && measured.length ? measured[0].map((point) => spot(point, `${point.rate} bpp`)) : [];
    const arrow = {
      text: "better", xref: "paper", yref: "paper", x: 1, y: 1, yshift: 26, ax: -46, ay: 14, showarrow: true, arrowhead: 2,
      arrowcolor: token("--quiet"), font: { color: token("--quiet") },
    };
    const ends = measured.flat().flatMap((point) => point.realism[at].map((y) => ({ x: distortion(point), y })));
    const labels = place([...steps, ...marks], points, ends, document.getElementById("plane"), { x: better < 0, y: true });
    draw("plane", found, {
      title: realism.measures[at], annotations: [arrow, ...labels], legend: "below", y: { autorange: "reversed", title: "more realism →" },
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
