// The screens, their keys and buttons: start, one trial after the other, end.
"use strict";
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const total = data.blocks.flat().length;
  let trials = [];
  let at = 0;
  let since = null; // when the pictures of this trial were there; null until then

  function screen(name) {
    for (const id of ["start", "trial", "end"]) get(id).hidden = id !== name;
    scrollTo(0, 0);
  }

  const sources = ({ reference, left, first, second }) =>
    left === "first" ? [first, reference.src, second] : [second, reference.src, first];

  function ready(is) {
    for (const button of document.querySelectorAll("[data-answer]")) button.disabled = !is;
    since = is ? performance.now() : null;
  }

  async function ask() {
    if (at >= total) {
      ready(false);
      get("saved").textContent = "";
      screen("end");
      get("save").focus();
      return;
    }
    const trial = trials[at];
    screen("trial");
    ready(false);
    get("problem").hidden = true;
    get("progress").value = at;
    get("count").textContent = `${at + 1} of ${total}`;
    get("back").disabled = at === 0;
    try {
      await panes.load(trial.reference, sources(trial));
    } catch {
      if (trials[at] === trial) get("problem").hidden = false;
      return;
    }
    if (trials[at] !== trial) return; // the rater went on meanwhile
    ready(true);
    if (at + 1 < total) for (const src of sources(trials[at + 1])) new Image().src = src;
  }

  function answer(side) { // a, b or same
    if (since === null) return;
    const { id, left } = trials[at];
    const other = left === "first" ? "second" : "first";
    record.answer(id, {
      choice: { a: left, b: other, same: "same" }[side], left, milliseconds: Math.round(performance.now() - since), looks: panes.looks,
    });
    at += 1;
    ask();
  }

  function back() {
    if (at === 0) return;
    at -= 1;
    ask();
  }

  function begin(rater) {
    if (rater !== record.rater) record.begin(rater);
    trials = trialsFor(data, rater);
    const open = trials.findIndex(({ id }) => !record.has(id));
    at = open < 0 ? total : open;
    document.activeElement?.blur();
    ask();
  }

  function welcome() {
    const known = record.rater !== "";
    get("rater").value = record.rater;
    get("rater").readOnly = known;
    get("afresh").hidden = !known;
    get("go").textContent = known ? `Go on at ${Math.min(record.count + 1, total)} of ${total}` : "Begin";
    get("forgetful").hidden = record.keeps;
    screen("start");
  }

  get("begin").addEventListener("submit", (event) => {
    event.preventDefault();
    begin(get("rater").value.trim() || `rater ${Math.random().toString(36).slice(2, 8)}`);
  });
  get("afresh").addEventListener("click", () => {
    if (record.count && !confirm("Answers of the rater before are lost unless they were saved. Go on?")) return;
    record.forget();
    welcome();
    get("rater").focus();
  });
  for (const button of document.querySelectorAll("[data-answer]")) {
    button.addEventListener("click", () => answer(button.dataset.answer));
  }
  for (const button of document.querySelectorAll(".save")) {
    button.addEventListener("click", () => { get("saved").textContent = `Saved as ${record.save()}.`; });
  }
  get("back").addEventListener("click", back);
  get("again").addEventListener("click", back);

  const KEYS = {
    ArrowLeft: () => answer("a"), a: () => answer("a"),
    ArrowRight: () => answer("b"), b: () => answer("b"),
    ArrowDown: () => answer("same"),
    1: () => panes.show("a"), 2: () => panes.show("reference"), 3: () => panes.show("b"),
    " ": panes.next, f: panes.turn, z: panes.magnify, Backspace: back,
  };
  addEventListener("keydown", (event) => {
    const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (get("trial").hidden || !act || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target.matches("button:focus-visible")) return; // presses what has the focus
    event.preventDefault();
    if (!event.repeat) act();
  });

  welcome();
}
