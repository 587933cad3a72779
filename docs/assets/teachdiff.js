// Markdown leaves each formula in an element of class "arithmatex", between \( \) or \[ \].
document.addEventListener("DOMContentLoaded", () => {
  const links = ["\\href", "\\htmlId", "\\htmlClass", "\\htmlData"];
  for (const element of document.querySelectorAll(".arithmatex")) {
    renderMathInElement(element, {
      delimiters: [
        { left: "\\[", right: "\\]", display: true },
        { left: "\\(", right: "\\)", display: false },
      ],
      throwOnError: false,
      trust: (context) => links.includes(context.command),
    });
  }
});

// The ledger's filters. Their state is the address's hash, "#document=rao&verdict=wrong", so that a choice can be linked;
// any other hash is a row's name.
document.addEventListener("DOMContentLoaded", () => {
  const form = document.getElementById("ledger-filters");
  if (!form) return;
  const rows = [...document.querySelectorAll(".td-ledger tbody tr")];
  const words = new Map(rows.map((row) => [row, (row.id + " " + row.textContent).toLowerCase()]));
  const fields = [...form.elements].filter((field) => field.name);

  const show = () => {
    const wanted = fields.filter((field) => field.value);
    const fits = (row) => wanted.every((field) => field.name === "words"
      ? field.value.toLowerCase().split(/\s+/).every((word) => words.get(row).includes(word))
      : row.dataset[field.name] === field.value);
    for (const row of rows) row.hidden = !fits(row);
    form.querySelector("output").value = `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  };
  const read = () => {
    const hash = decodeURIComponent(location.hash.slice(1));
    const row = hash && rows.find((other) => other.id === hash);
    const state = new URLSearchParams(hash.includes("=") ? hash : "");
    if (!row || row.hidden) for (const field of fields) field.value = state.get(field.name) ?? "";
    show();
    if (row) {
      row.querySelector("details").open = true;
      row.scrollIntoView();
    } else if (hash.includes("=")) form.scrollIntoView();
  };
  const write = () => {
    const chosen = new URLSearchParams(fields.filter((field) => field.value).map((field) => [field.name, field.value]));
    history.replaceState(null, "", chosen.size ? `#${chosen}` : location.pathname + location.search);
    show();
  };
  form.addEventListener("input", write);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(write));
  window.addEventListener("hashchange", read);
  form.hidden = false;
  read();
});

// In the graph of theorems the lines of the theorem under the pointer, or in focus, stand out.
document.addEventListener("DOMContentLoaded", () => {
  for (const graph of document.querySelectorAll(".td-graph")) {
    const edges = [...graph.querySelectorAll(".td-edge")];
    if (!location.hash) graph.scrollLeft = (graph.scrollWidth - graph.clientWidth) / 2;
    const mark = (node, on) => {
      for (const edge of edges) {
        if ([edge.dataset.from, edge.dataset.to].includes(node.id)) edge.classList.toggle("td-near", on);
      }
    };
    for (const node of graph.querySelectorAll(".td-node")) {
      for (const event of ["pointerenter", "focus"]) node.addEventListener(event, () => mark(node, true));
      for (const event of ["pointerleave", "blur"]) node.addEventListener(event, () => mark(node, false));
    }
  }
});
