// What the reader chose, in the page's address: a link shows the same again.
"use strict";
const state = (() => {
  const chosen = new URLSearchParams(location.hash.slice(1));

  function set(key, value) {
    chosen.set(key, value);
    history.replaceState(null, "", `#${chosen}`);
  }

  function restore(input) { // a control that is in the page from the start
    const value = chosen.get(input.name || input.id);
    if (value === null) return;
    if (input.type === "radio") input.checked = input.value === value;
    else if (input.type === "checkbox") input.checked = value === "1";
  }

  function select(element, names, usual) { // fills a menu; what the address says goes before what is usual
    const wanted = chosen.get(element.id);
    const value = names.some(([name]) => String(name) === wanted) ? wanted : usual;
    element.replaceChildren(...names.map(([name, text]) => new Option(text, name, false, String(name) === String(value))));
  }

  for (const input of document.querySelectorAll("input")) restore(input);
  for (const name of new Set([...document.querySelectorAll("input[type=radio]")].map((input) => input.name))) {
    const group = [...document.querySelectorAll(`input[name="${name}"]`)];
    if (!group.some((input) => input.checked)) group[0].checked = true; // an address of other results
  }
  document.addEventListener("change", ({ target }) => {
    if (target.type === "checkbox") set(target.id, target.checked ? "1" : "0");
    else if (target.name || target.id) set(target.name || target.id, target.value);
  });
  addEventListener("hashchange", () => location.reload()); // the reader wrote another address
  return { get: (key) => chosen.get(key), set, select };
})();
