"use strict";
(() => {
  const form = document.querySelector(".controls");
  const list = document.querySelector(".rows");
  const rows = Array.from(list.querySelectorAll("details"));
  const count = document.getElementById("count");
  const nothing = document.getElementById("nothing");
  const whole = count.textContent;
  const worst = new Map(rows.map((row, place) => [row, place]));
  const texts = new Map();

  const lower = (row) => {
    if (!texts.has(row)) texts.set(row, row.textContent.toLowerCase());
    return texts.get(row);
  };
  const names = ["show", "tag", "order", "text"];
  const defaults = new Map(names.map((name) => [name, form.elements[name].value]));
  const field = (name) => form.elements[name].value;

  // The address carries what is chosen, so a link can point at it: report.html#show=failed&text=refund
  const restore = () => {
    const chosen = new URLSearchParams(location.hash.slice(1));
    for (const name of names) if (chosen.has(name)) form.elements[name].value = chosen.get(name);
  };
  const remember = () => {
    const chosen = names.filter((name) => field(name) !== defaults.get(name)).map((name) => [name, field(name)]);
    history.replaceState(null, "", `#${new URLSearchParams(chosen)}`);
  };

  const filter = () => {
    const show = field("show");
    const tag = field("tag");
    const words = field("text").toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const fits =
        (show === "all" || row.dataset.o === show) &&
        (tag === "" || row.dataset.t.split(" ").includes(tag)) &&
        words.every((word) => lower(row).includes(word));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    nothing.hidden = shown > 0;
    count.textContent = shown === rows.length ? whole : `${shown} of ${whole}`;
  };

  const orders = {
    worst: (one, other) => worst.get(one) - worst.get(other),
    suite: (one, other) => one.dataset.i - other.dataset.i || worst.get(one) - worst.get(other),
    slow: (one, other) => other.dataset.ms - one.dataset.ms,
  };
  let sorted = "worst";
  const sort = () => {
    if (sorted === field("order")) return;
    sorted = field("order");
    list.append(...rows.sort(orders[sorted] || orders.worst));
  };

  const expand = () => {
    const visible = rows.filter((row) => !row.hidden);
    const open = visible.some((row) => !row.open);
    for (const row of visible) row.open = open;
    form.elements.expand.textContent = open ? "Collapse all" : "Expand all";
  };

  const step = (row, direction) => {
    let next = row[direction];
    while (next && (next.hidden || next.tagName !== "DETAILS")) next = next[direction];
    if (next) next.querySelector("summary").focus();
  };

  form.addEventListener("submit", (event) => event.preventDefault());
  const apply = () => {
    filter();
    sort();
  };
  form.addEventListener("input", () => {
    apply();
    remember();
  });
  form.elements.expand.addEventListener("click", expand);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const target = event.target;
    if (event.key === "/" && !target.matches("input, select")) {
      event.preventDefault();
      form.elements.text.focus();
    } else if (target.matches("summary") && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      step(target.parentElement, event.key === "ArrowDown" ? "nextElementSibling" : "previousElementSibling");
    }
  });
  form.hidden = false;
  restore();
  apply();
})();
