// Two versions of a picture under a divider, with zoom, by mouse, touch and keyboard.
"use strict";
{
  const { viewer } = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const ORIGINAL = "original";
  const MOST = 16; // zoom over what fits
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const [stage, divider] = [get("stage"), get("divider")];
  const images = { left: document.querySelector("#over img"), right: document.querySelector("#under img") };
  const number = (key, usual, low, high) => clamp(Number(state.get(key) ?? usual) || usual, low, high);
  let at = number("divider", 50, 0, 100); // in percent
  let zoom = number("zoom", 1, 1, MOST);
  // of the zoomed picture, in CSS pixels from the stage's; where the address says it is in shares of the picture's width
  let corner = { x: 0, y: 0 };
  let focus = state.get("at")?.split(",").map(Number);

  const picture = () => viewer.pictures[get("picture").selectedIndex];
  const version = (side) => {
    const codec = get(side).value;
    return codec === ORIGINAL ? { src: picture().original } : picture().decodes[get("rate").value]?.[codec];
  };

  function place() {
    const { width, height } = picture();
    const box = stage.getBoundingClientRect();
    const scale = (box.width / width) * zoom;
    if (focus && box.width) [corner, focus] = [{ x: -focus[0] * box.width * zoom, y: -focus[1] * box.width * zoom }, null];
    corner = { x: clamp(corner.x, box.width * (1 - zoom), 0), y: clamp(corner.y, box.height * (1 - zoom), 0) };
    for (const image of Object.values(images)) {
      image.style.width = `${width}px`;
      image.style.height = `${height}px`;
      image.style.transform = `translate(${corner.x}px, ${corner.y}px) scale(${scale})`;
    }
    stage.style.setProperty("--at", `${at}%`);
    stage.classList.toggle("zoomed", zoom > 1);
    stage.classList.toggle("sharp", scale * devicePixelRatio >= 2);
    divider.setAttribute("aria-valuenow", Math.round(at));
    divider.setAttribute("aria-valuetext", `${get("left").value} on ${Math.round(at)} % of the width`);
    get("scale").textContent = `${Math.round(100 * scale)} %`;
    remember(box.width);
  }

  let waiting = 0;
  function remember(width) { // not at every step of a drag: browsers stop pages that change their address too often
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (at !== 50 || state.get("divider") !== null) state.set("divider", Math.round(at));
      if (zoom === 1 && state.get("zoom") === null) return;
      state.set("zoom", +zoom.toFixed(2));
      state.set("at", [corner.x, corner.y].map((offset) => (-offset / (width * zoom) || 0).toFixed(3)).join());
    }, 250);
  }

  function slide(to) {
    at = clamp(to, 0, 100);
    place();
  }

  function magnify(to, x, y) { // about a point of the stage
    const box = stage.getBoundingClientRect();
    [x, y] = [x ?? box.width / 2, y ?? box.height / 2];
    const ratio = clamp(to, 1, MOST) / zoom;
    corner = { x: x - (x - corner.x) * ratio, y: y - (y - corner.y) * ratio };
    zoom *= ratio;
    place();
  }

  function move(x, y) {
    corner = { x: corner.x + x, y: corner.y + y };
    place();
  }

  function element(name, text, attributes = {}) {
    const made = Object.assign(document.createElement(name), attributes);
    made.textContent = text;
    return made;
  }

  function line(title, cells) {
    const made = document.createElement("tr");
    made.append(element("th", title, { scope: "row" }), ...cells);
    return made;
  }

  function facts() {
    const sides = ["left", "right"];
    const [left, right] = sides.map(version);
    const names = sides.map((side) => element("th", get(side).value, { scope: "col" }));
    const lines = viewer.facts.map(({ key, title, digits, better }) => {
      const values = [left, right].map((side) => side?.[key] ?? null);
      const lead = values.includes(null) ? 0 : better * Math.sign(values[0] - values[1]); // 1 where left is better
      return line(title, values.map((value, index) => {
        const text = value === null ? "–" : value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
        return element("td", text.replace("-", "−"), { className: lead === (index ? -1 : 1) ? "best" : "" });
      }));
    });
    get("facts").replaceChildren(line("", names), ...lines);
    for (const side of sides) get(`${side}-tag`).textContent = get(side).value;
  }

  function show() {
    for (const [side, image] of Object.entries(images)) {
      image.src = version(side).src;
      image.alt = `${picture().name}, ${get(side).value}`;
    }
    stage.style.setProperty("--shape", picture().width / picture().height);
    stage.style.setProperty("--natural", `${picture().width}px`);
    facts();
    place();
  }

  function fill(id, names, chosen) {
    state.select(get(id), names, chosen);
    get(id).addEventListener("change", show);
  }

  function drags() {
    const held = new Map(); // pointers that are down, by their places
    let sliding = false;
    const local = (event) => {
      const box = stage.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const gap = ([a, b]) => Math.hypot(a.x - b.x, a.y - b.y);
    const percent = (point) => (100 * point.x) / stage.getBoundingClientRect().width;

    stage.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      stage.setPointerCapture(event.pointerId);
      sliding = !held.size && (zoom === 1 || divider.contains(event.target));
      held.set(event.pointerId, local(event));
      if (sliding) slide(percent(local(event)));
      if (divider.contains(event.target)) divider.focus({ focusVisible: false, preventScroll: true });
      event.preventDefault();
    });
    stage.addEventListener("pointermove", (event) => {
      if (!held.has(event.pointerId)) return;
      const [before, point, apart] = [held.get(event.pointerId), local(event), gap([...held.values(), { x: 0, y: 0 }])];
      held.set(event.pointerId, point);
      if (held.size === 2) {
        const [first, second] = held.values();
        magnify((zoom * gap([first, second])) / Math.max(apart, 1), (first.x + second.x) / 2, (first.y + second.y) / 2);
      } else if (sliding) slide(percent(point));
      else move(point.x - before.x, point.y - before.y);
    });
    for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, (event) => held.delete(event.pointerId));
    stage.addEventListener("dblclick", (event) => {
      const { x, y } = local(event);
      magnify(zoom > 1 ? 1 : 4, x, y);
    });
    stage.addEventListener("wheel", (event) => { // a pinch of a touchpad comes as a wheel with Control
      if (!event.ctrlKey) return;
      event.preventDefault();
      const { x, y } = local(event);
      magnify(zoom * Math.exp(-event.deltaY / 100), x, y);
    }, { passive: false });
  }

  function keys() {
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };
    const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    const zooms = { "+": 2, "=": 2, "-": 0.5 };
    stage.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const onDivider = event.target === divider;
      if (zooms[event.key]) magnify(zoom * zooms[event.key]);
      else if (event.key === "0") magnify(1);
      else if (onDivider && event.key in steps) slide(at + steps[event.key] * (event.shiftKey ? 10 : 1));
      else if (onDivider && event.key === "Home") slide(0);
      else if (onDivider && event.key === "End") slide(100);
      else if (!onDivider && zoom > 1 && event.key in moves) move(...moves[event.key]);
      else return;
      event.preventDefault();
    });
  }

  if (viewer) {
    const same = (names) => names.map((name) => [name, name]);
    fill("picture", viewer.pictures.map(({ name }) => [name, name]));
    fill("rate", viewer.rates.map((rate) => [rate, `${rate} bpp`]));
    fill("left", same([ORIGINAL, ...viewer.codecs]), viewer.codecs[0]);
    fill("right", same([ORIGINAL, ...viewer.codecs]), viewer.codecs[1] ?? ORIGINAL);
    get("swap").addEventListener("click", () => {
      [get("left").value, get("right").value] = [get("right").value, get("left").value];
      for (const side of ["left", "right"]) state.set(side, get(side).value);
      show();
    });
    get("in").addEventListener("click", () => magnify(zoom * 2));
    get("out").addEventListener("click", () => magnify(zoom / 2));
    drags();
    keys();
    new ResizeObserver(place).observe(stage);
    show();
  }
}
