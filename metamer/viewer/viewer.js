// Lists the folder's pictures and shows one. Arrow keys go on and back, z changes the size.

const at = (id) => document.getElementById(id);
const all = await (await fetch("list")).json();
let names = [],
  current = -1,
  asked = new AbortController(); // of what the page asks about the picture that it shows

function show(index) {
  if (!names.length) return showNone();
  current = (index + names.length) % names.length;
  for (const [place, button] of [...at("list").querySelectorAll("button")].entries())
    button.toggleAttribute("aria-current", place === current);
  at("list").children[current].scrollIntoView({ block: "nearest" });
  const { name, address } = names[current];
  at("picture").alt = name;
  at("picture").hidden = at("zoom").hidden = at("original").hidden = false;
  at("original").href = `file/${address}`;
  at("realism").value = 0;
  at("realism-label").hidden = true;
  history.replaceState(null, "", `#${address}`);
  load();
  describe(name, address);
}

function showNone() {
  asked.abort();
  for (const id of ["picture", "realism-label", "zoom", "original"]) at(id).hidden = true;
  at("picture").removeAttribute("src"); // or else the one before is seen for a moment when there is one again
  at("picture").alt = "";
  at("original").removeAttribute("href");
  at("about").textContent = all.length ? "No picture has such a name." : "There are no pictures in this folder.";
  history.replaceState(null, "", location.pathname);
}

function load() {
  const realism = Number(at("realism").value);
  at("picture").src = `picture/${names[current].address}${realism ? `?realism=${realism}` : ""}`;
}

/** Says of a picture what the server knows, unless another is shown before it answers. */
async function describe(name, address) {
  asked.abort();
  const { signal } = (asked = new AbortController());
  at("about").textContent = name;
  try {
    const response = await fetch(`info/${address}`, { signal });
    if (!response.ok) throw new Error(await response.text());
    const about = await response.json();
    if (signal.aborted) return;
    const size = about.width ? `, ${about.width}×${about.height}` : "";
    const coded = about.width ? `, ${about.bpp.toFixed(2)} bpp, quality ${about.quality}, ${about.model ?? about.model_id}` : "";
    at("about").textContent = `${name}${size}, ${about.bytes.toLocaleString()} bytes${coded}`;
    at("realism-label").hidden = !about.decoders?.includes("realism");
  } catch (problem) {
    if (!signal.aborted) at("about").textContent = `${name} ${problem.message}`;
  }
}

function list() {
  const wanted = at("filter").value.toLowerCase();
  names = all.filter(({ name }) => name.toLowerCase().includes(wanted));
  at("list").replaceChildren(
    ...names.map(({ name }, index) => {
      const item = document.createElement("li"),
        button = document.createElement("button");
      button.textContent = name;
      button.addEventListener("click", () => show(index));
      item.append(button);
      return item;
    }),
  );
}

at("filter").addEventListener("input", () => {
  list();
  show(0);
});
at("realism").addEventListener("change", load);
at("zoom").addEventListener("click", () => {
  const actual = document.querySelector("figure").classList.toggle("actual");
  at("zoom").setAttribute("aria-pressed", actual);
});
addEventListener("keydown", (event) => {
  if (!names.length || event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    show(current + step);
  } else if (event.key === "z") at("zoom").click();
});

list();
show(
  Math.max(
    0,
    names.findIndex(({ address }) => `#${address}` === location.hash),
  ),
);
