// A, the original and B: in turn in one place or all at once, zoomed and moved together.
"use strict";
const panes = (() => {
  const NAMES = ["a", "reference", "b"];
  const panes = document.getElementById("panes");
  const figures = Object.fromEntries(NAMES.map((name) => [name, document.getElementById(`pane-${name}`)]));
  const views = NAMES.map((name) => figures[name].querySelector(".view"));
  const images = NAMES.map((name) => figures[name].querySelector("img"));
  let shown = "reference";
  let layout = "flip";
  let zoom = 1; // 0: as large as fits; else pixels of the screen, in whole numbers, for a pixel of a picture
  let size = { width: 1, height: 1 };
  let looks = 0;
  let centre = { x: 0.5, y: 0.5 }; // of what is in view, in shares of the picture

  const press = (attribute, value) => {
    for (const button of document.querySelectorAll(`[data-${attribute}]`)) {
      button.setAttribute("aria-pressed", String(button.dataset[attribute] === String(value)));
    }
  };

  function draw() {
    panes.dataset.layout = layout;
    document.getElementById("which").hidden = layout === "side";
    for (const name of NAMES) figures[name].classList.toggle("shown", name === shown);
    press("pane", shown);
    press("layout", layout);
    press("zoom", zoom);
    const wide = layout === "flip" ? panes.clientWidth : views[1].clientWidth;
    const room = { width: wide, height: parseFloat(getComputedStyle(views[1]).maxHeight) };
    const unit = Math.max(1, Math.floor(devicePixelRatio)) / devicePixelRatio;
    const scale = zoom ? zoom * unit : Math.min(room.width / size.width, room.height / size.height, 4 * unit);
    for (const image of images) {
      image.style.width = `${size.width * scale}px`;
      image.style.height = `${size.height * scale}px`;
      image.style.imageRendering = scale >= 2 * unit ? "pixelated" : "auto";
    }
    recentre();
  }

  function recentre() {
    for (const view of views) {
      view.scrollLeft = centre.x * view.scrollWidth - view.clientWidth / 2;
      view.scrollTop = centre.y * view.scrollHeight - view.clientHeight / 2;
    }
  }

  function follow({ target }) { // one was moved: the others go with it
    for (const view of views) {
      if (view === target) continue;
      if (Math.abs(view.scrollLeft - target.scrollLeft) >= 1) view.scrollLeft = target.scrollLeft;
      if (Math.abs(view.scrollTop - target.scrollTop) >= 1) view.scrollTop = target.scrollTop;
    }
    centre = {
      x: (target.scrollLeft + target.clientWidth / 2) / target.scrollWidth,
      y: (target.scrollTop + target.clientHeight / 2) / target.scrollHeight,
    };
  }

  for (const view of views) {
    let from = null; // fingers and wheels scroll by themselves; a mouse drags
    view.addEventListener("scroll", follow, { passive: true });
    view.addEventListener("pointerdown", (event) => {
      if (event.pointerType !== "mouse" || event.button) return;
      from = { x: event.clientX + view.scrollLeft, y: event.clientY + view.scrollTop };
      view.setPointerCapture(event.pointerId);
    });
    view.addEventListener("pointermove", (event) => {
      if (from) view.scrollTo(from.x - event.clientX, from.y - event.clientY);
    });
    for (const kind of ["pointerup", "pointercancel"]) view.addEventListener(kind, () => { from = null; });
  }

  const show = (name) => {
    if (name !== shown) looks += 1;
    shown = name;
    draw();
  };
  const arrange = (name) => {
    layout = name;
    draw();
  };
  const magnify = (times) => {
    zoom = times;
    draw();
  };
  for (const button of document.querySelectorAll("[data-pane]")) button.addEventListener("click", () => show(button.dataset.pane));
  for (const button of document.querySelectorAll("[data-layout]")) button.addEventListener("click", () => arrange(button.dataset.layout));
  for (const button of document.querySelectorAll("[data-zoom]")) button.addEventListener("click", () => magnify(Number(button.dataset.zoom)));
  addEventListener("resize", draw);

  return {
    show,
    next: () => show(NAMES[(NAMES.indexOf(shown) + 1) % NAMES.length]),
    turn: () => arrange(layout === "flip" ? "side" : "flip"),
    magnify: () => magnify((zoom + 1) % 3),
    get looks() { return looks; }, // how often another picture was shown
    load(reference, sources) { // resolves when all three are there to be seen
      size = { width: reference.width, height: reference.height };
      [shown, looks, centre] = ["reference", 0, { x: 0.5, y: 0.5 }];
      images.forEach((image, index) => { image.src = sources[index]; });
      draw();
      return Promise.all(images.map((image) => image.decode())).then(recentre);
    },
  };
})();
