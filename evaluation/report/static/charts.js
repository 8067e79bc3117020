// What the charts share: colours of codecs, axes, and how they follow the reader's scheme and screen.
"use strict";
const charts = (() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const narrow = matchMedia("(max-width: 560px)");
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const colour = (codec) => data.looks[codec][dark.matches ? "dark" : "light"];
  const mark = (codec, size) => ({ color: colour(codec), symbol: data.looks[codec].symbol, size });

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

  // Labels next to their points, off all points and each other where there is room: annotations of
  // { x, y, text } for points { x, y } in the axes' own units, which may run backwards; ends: of error bars.
  function place(labels, points, ends, element, backwards) {
    const size = { x: Math.max(200, element.clientWidth - 60), y: Math.max(200, element.clientHeight - 130) };
    const span = (key) => {
      const values = [...points, ...ends].map((point) => point[key]);
      return [Math.min(...values), Math.max(...values)];
    };
    const [wide, high] = [span("x"), span("y")];
    const pixel = ({ x, y }) => {
      const across = (x - wide[0]) / (wide[1] - wide[0] || 1);
      const down = (y - high[0]) / (high[1] - high[0] || 1);
      return [size.x * (backwards.x ? 1 - across : across), size.y * (backwards.y ? down : 1 - down)];
    };
    const taken = points.map((point) => [...pixel(point), 6, 6]);
    const ways = [12, 24, 38].flatMap((far) => [[0, -1], [0, 1], [1, 0], [-1, 0], [1, -1], [-1, -1], [1, 1], [-1, 1]].map((way) => [far, way]));
    return labels.map((label) => {
      const [x, y] = pixel(label);
      const half = [4 + 3.4 * label.text.length, 8];
      const boxes = ways.map(([far, [right, down]]) => [x + right * (far + half[0] - 6), y + down * (far + half[1] - 6), ...half]);
      const overlap = (box) => taken.filter((other) => Math.abs(box[0] - other[0]) < box[2] + other[2] && Math.abs(box[1] - other[1]) < box[3] + other[3]).length;
      const best = boxes.reduce((first, box) => (overlap(box) < overlap(first) ? box : first));
      taken.push(best);
      return {
        x: label.x, y: label.y, text: label.text, showarrow: false, xshift: best[0] - x, yshift: y - best[1],
        font: { size: 12, color: label.colour ?? token("--quiet") },
      };
    });
  }

  return { data, token, colour, mark, rates, draw, follow, place };
})();
