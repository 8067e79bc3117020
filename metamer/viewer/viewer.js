// Lists the folder's pictures and shows one. Arrow keys go on and back, z changes the size.

const at = (id) => document.getElementById(id);
let names = [],
  current = -1;

function show(index) {
  if (!names.length) return;
  current = (index + names.length) % names.length;
  for (const [place, button] of [...at("list").querySelectorAll("button")].entries())
    button.toggleAttribute("aria-current", place === current);
  at("list").children[current].scrollIntoView({ block: "nearest" });
  const { name, address } = names[current];
  at("picture").alt = name;
  at("original").href = `file/${address}`;
  at("realism").value = 0;
  at("realism-label").hidden = true;
  history.replaceState(null, "", `#${address}`);
  load();
  describe(name, address);
}

function load() {
  const realism = Number(at("realism").value);
  at("picture").src = `picture/${names[current].address}${realism ? `?realism=${realism}` : ""}`;
}

async function describe(name, address) {
  at("about").textContent = name;
  const response = await fetch(`info/${address}`);
  if (names[current].address !== address) return;
  if (!response.ok) {
    at("about").textContent = `${name} ${await response.text()}`;
    return;
  }
  const about = await response.json(),
    size = about.width ? `, ${about.width}×${about.height}` : "";
  const coded = about.width ? `, ${about.bpp.toFixed(2)} bpp, quality ${about.quality}, ${about.model ?? about.model_id}` : "";
  at("about").textContent = `${name}${size}, ${about.bytes.toLocaleString()} bytes${coded}`;
  at("realism-label").hidden = !about.decoders?.includes("realism");
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
  if (!names.length)
    at("about").textContent = all.length ? "No picture has such a name." : "There are no pictures in this folder.";
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
  if (event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
  const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    show(current + step);
  } else if (event.key === "z") at("zoom").click();
});

const all = await (await fetch("list")).json();
list();
show(
  Math.max(
    0,
    names.findIndex(({ address }) => `#${address}` === location.hash),
  ),
);
