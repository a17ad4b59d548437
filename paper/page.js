"use strict";
(() => {
  const runs = JSON.parse(document.getElementById("run-ids").textContent);
  const form = document.querySelector("form");
  const dialog = document.querySelector("dialog");
  const tip = document.getElementById("tip");
  const tables = [...document.querySelectorAll("table")].map((table) => ({
    table,
    body: table.tBodies[0],
    heads: [...table.tHead.rows[0].cells],
    rows: [...table.tBodies[0].rows],
  }));

  const make = (name, text) => Object.assign(document.createElement(name), { textContent: text });

  // Sorting: by what a cell measures, or by its text; blanks stay last, equals keep the order they had in the paper.
  const collator = new Intl.Collator("en", { numeric: true });
  const shown = (cell) => cell.dataset.value ?? cell.textContent;
  const number = (cell) => (shown(cell) === "" ? NaN : Number(shown(cell)));

  function sorted(rows, column, numeric, sign) {
    const keys = rows.map((row) => (numeric ? number : shown)(row.cells[column]));
    const blank = keys.map((key) => (numeric ? Number.isNaN(key) : key === "" || key === "-"));
    const compare = numeric ? (a, b) => a - b : collator.compare;
    const order = rows.map((_, place) => place);
    order.sort((a, b) => blank[a] - blank[b] || (blank[a] ? 0 : sign * compare(keys[a], keys[b])));
    return order.map((place) => rows[place]);
  }

  function sort({ body, heads, rows }, head) {
    const next = { none: "ascending", ascending: "descending", descending: "none" }[head.ariaSort];
    for (const each of heads) each.ariaSort = "none";
    head.ariaSort = next;
    const sign = next === "ascending" ? 1 : -1;
    body.replaceChildren(...(next === "none" ? rows : sorted(rows, head.cellIndex, head.classList.contains("n"), sign)));
  }

  for (const one of tables) {
    for (const head of one.heads.filter((each) => each.textContent)) {
      const button = Object.assign(make("button", ""), { type: "button" });
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(one, head));
      head.replaceChildren(button);
      head.ariaSort = "none";
    }
  }

  // Filtering: one choice per axis, for all tables that have it.
  function filter() {
    const chosen = [...form.elements].filter((one) => one.value);
    for (const { table, heads, rows } of tables) {
      const asked = chosen.flatMap(({ name, value }) => {
        const head = heads.find((one) => one.dataset.axis === name);
        return head ? [[head.cellIndex, value]] : [];
      });
      for (const row of rows) row.hidden = asked.some(([column, value]) => row.cells[column].textContent !== value);
      const count = table.parentElement.nextElementSibling;
      count.hidden = asked.length === 0;
      count.textContent = asked.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length} lines` : "";
    }
  }

  function showAll() {
    for (const select of form.querySelectorAll("select")) select.value = "";
    filter();
  }

  form.addEventListener("change", filter);
  form.querySelector("button").addEventListener("click", showAll);
  form.parentElement.hidden = form.querySelector("select") === null;

  // Runs: a cell opens the list of those it was made of, each of which leads to its line.
  function told(line) {
    const heads = line.closest("table").tHead.rows[0].cells;
    const name = (cell) => (cell.tagName === "TH" ? "" : `${heads[cell.cellIndex].textContent} `);
    return [...line.cells].slice(1).map((cell) => name(cell) + cell.textContent).join(", ");
  }

  function entry(run) {
    const line = document.getElementById(`run-${encodeURIComponent(run)}`);
    const item = make("li", "");
    item.append(make(line ? "a" : "code", run), make("div", line ? told(line) : ""));
    if (line) {
      item.firstChild.href = `#${line.id}`;
      item.firstChild.addEventListener("click", () => {
        dialog.close();
        if (line.hidden) showAll();
      });
    }
    return item;
  }

  const places = (text) =>
    text.split(",").flatMap((range) => {
      const [first, last = first] = range.split("-").map(Number);
      return runs.slice(first, last + 1);
    });

  function open(link) {
    const cell = link.parentElement;
    const head = cell.closest("table").tHead.rows[0].cells[cell.cellIndex];
    const labels = [...cell.parentElement.querySelectorAll("th")].map((label) => label.textContent);
    const list = places(link.dataset.runs);
    dialog.querySelector("h2").textContent = [...labels, `${head.textContent}: ${link.textContent}`].join(", ");
    dialog.querySelector("p").textContent = `Made of ${list.length} run${list.length === 1 ? "" : "s"}:`;
    dialog.querySelector("ul").replaceChildren(...list.map(entry));
    dialog.showModal();
    dialog.querySelector("ul").scrollTop = 0;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-runs]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(link);
  });
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog || event.target.closest("button")) dialog.close();
  });

  // Figures: what a mark says, under a pointer, by a touch near it, or by the arrow keys.
  function tell(mark, at) {
    tip.hidden = !mark;
    if (!mark) return;
    tip.textContent = mark.dataset.tip;
    const { left, bottom } = mark.getBoundingClientRect();
    const [x, y] = at ? [at.clientX + 12, at.clientY + 12] : [left, bottom + 6];
    tip.style.left = `${Math.max(8, Math.min(x, innerWidth - tip.offsetWidth - 8))}px`;
    tip.style.top = `${Math.max(8, Math.min(y, innerHeight - tip.offsetHeight - 8))}px`;
  }

  function near({ clientX, clientY }) {
    for (let far = 0; far <= 24; far += 4) {
      for (let turn = 0; turn < 2 * Math.PI; turn += Math.PI / 12) {
        const [x, y] = [clientX + far * Math.cos(turn), clientY + far * Math.sin(turn)];
        const mark = document.elementFromPoint(x, y)?.closest("[data-tip]");
        if (mark) return mark;
      }
    }
    return null;
  }

  for (const drawing of document.querySelectorAll(".drawing")) {
    const marks = [...drawing.querySelectorAll("svg * > title")].map((title) => {
      const mark = title.parentElement;
      mark.dataset.tip = title.textContent;
      title.remove(); // or the browser would show it a second time
      return mark;
    });
    if (marks.length === 0) continue;
    let place;
    drawing.addEventListener("pointerover", (event) => tell(event.target.closest("[data-tip]"), event));
    drawing.addEventListener("pointerleave", () => tell(null));
    drawing.addEventListener("click", (event) => tell(near(event), event));
    drawing.addEventListener("blur", () => tell(null));
    drawing.addEventListener("keydown", ({ key }) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
      if (step) place = ((place ?? (step > 0 ? -1 : 0)) + step + marks.length) % marks.length;
      if (step || key === "Escape") tell(step ? marks[place] : null);
    });
  }

  const contents = document.querySelector("aside details");
  document.querySelector(".hint").hidden = false;
  contents.open = matchMedia("(min-width: 75rem)").matches;
  if (contents.open) form.parentElement.open = true;
})();
