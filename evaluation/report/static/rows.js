// The table of every picture: sorted by a click on a column's name, filtered by codec and picture.
"use strict";
{
  const { columns, rows } = JSON.parse(document.getElementById("data").textContent);
  const table = document.getElementById("rows");
  let by = Math.min(Number(state.get("sort") ?? 0) || 0, columns.length - 1);
  let direction = state.get("order") === "-1" ? -1 : 1;

  function compare(first, second) {
    const [a, b] = [first[by], second[by]];
    if (a === null || b === null) return (a === null) - (b === null); // what was not measured comes last, either way
    return direction * (typeof a === "number" ? a - b : String(a).localeCompare(b, "en", { numeric: true }));
  }

  function element(name, text, kind) {
    const made = document.createElement(name);
    made.textContent = text;
    if (kind) made.className = kind;
    return made;
  }

  function show() {
    const [codec, picture] = ["only-codec", "only-picture"].map((id) => document.getElementById(id).value);
    const kept = rows.filter((row) => (!picture || row[0] === picture) && (!codec || row[1] === codec)).sort(compare);
    table.tBodies[0].replaceChildren(...kept.map((row) => {
      const line = document.createElement("tr");
      line.append(...row.map((value, index) => {
        const { digits } = columns[index];
        const text = value === null ? "–" : digits === null ? value : digits < 0 ? String(+value.toFixed(3)) : value.toFixed(digits);
        return element("td", text.replace("-", digits === null ? "-" : "−"), digits === null ? "text" : "");
      }));
      return line;
    }));
    document.getElementById("count").textContent = `${kept.length} rows`;
    [...table.tHead.rows[0].cells].forEach((cell, index) => {
      if (index === by) cell.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else cell.removeAttribute("aria-sort");
    });
  }

  function heading({ title, digits }, index) {
    const cell = element("th", "", digits === null ? "text" : "");
    const button = element("button", title);
    cell.scope = "col";
    button.type = "button";
    button.addEventListener("click", () => {
      direction = index === by ? -direction : 1;
      by = index;
      state.set("sort", by);
      state.set("order", direction);
      show();
    });
    cell.append(button);
    return cell;
  }

  if (table) {
    const head = document.createElement("tr");
    head.append(...columns.map(heading));
    table.tHead.append(head);
    for (const [id, index] of [["only-codec", 1], ["only-picture", 0]]) {
      const select = document.getElementById(id);
      state.select(select, [["", "all"], ...[...new Set(rows.map((row) => row[index]))].map((name) => [name, name])], "");
      select.addEventListener("change", show);
    }
    show();
  }
}
