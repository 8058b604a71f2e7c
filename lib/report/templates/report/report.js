"use strict";
// What the page does beyond showing itself: draw figures, sort tables, copy and save them, show code.

const settings = {
  responsive: true,
  displaylogo: false,
  modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
};

// What is folded has no width: its figures are drawn when it is opened.
async function drawFigures() {
  for (const plot of document.querySelectorAll("figure.plot:not([data-drawn])")) {
    if (plot.parentElement.closest("details:not([open])")) continue;
    plot.dataset.drawn = "";
    const { data, layout } = JSON.parse(plot.querySelector("script").textContent);
    const toImageButtonOptions = { format: "svg", filename: plot.id };
    const canvas = plot.querySelector(".canvas");
    const { height, meta } = layout;
    delete layout.height; // the canvas has it, and may change it
    await Plotly.newPlot(canvas, data, layout, { ...settings, toImageButtonOptions });
    if (meta?.legend) {
      const makeRoom = () => makeRoomForLegend(canvas, height - meta.legend);
      canvas.on("plotly_afterplot", makeRoom);
      await makeRoom();
    }
    await new Promise((resume) => setTimeout(resume)); // let the page answer between two figures
  }
  document.documentElement.dataset.figures = "drawn";
  performance.mark("figures drawn");
}

// A narrow page takes more rows for a legend: the figure grows by them, and its panels stay as high.
function makeRoomForLegend(canvas, withoutLegend) {
  const rows = canvas.querySelector(".infolayer > .legend .scrollbox");
  if (!rows) return;
  const legend = Math.ceil(rows.getBBox().height) + 12;
  const height = withoutLegend + legend;
  if (canvas.style.getPropertyValue("--height") === String(height)) return;
  canvas.style.setProperty("--height", height);
  canvas.style.height = `${height}px`;
  // On paper the width is given; a figure that measured the page again would have the screen's.
  const size = canvas.layout.width ? { height } : { autosize: true };
  return Plotly.relayout(canvas, { ...size, "legend.maxheight": legend });
}

// An upright page (A4, US Letter) between its margins. Printing does not wait for a figure that
// measures the page by itself, and one that is wider makes the browser shrink all there is.
const PAGE_WIDTH = 680;

const allDrawn = () => document.querySelectorAll(".canvas.js-plotly-plot");

function fitFiguresToPage() {
  for (const canvas of allDrawn()) {
    const width = Math.max(PAGE_WIDTH, parseInt(canvas.style.minWidth));
    canvas.style.setProperty("--width", width);
    Plotly.relayout(canvas, { width });
  }
}

function fitFiguresToScreen() {
  for (const canvas of allDrawn()) Plotly.relayout(canvas, { width: null, height: null, autosize: true });
}

const valueOf = (cell) => cell.dataset.value ?? cell.textContent;
const keyOf = (cell) => cell.dataset.sort ?? valueOf(cell);

function sortBy(table, column, header) {
  const descending = header.getAttribute("aria-sort") === "ascending";
  const sign = descending ? -1 : 1;
  const order = (a, b) => {
    const [x, y] = [a, b].map((row) => keyOf(row.cells[column]));
    if (x === "" || y === "") return (x === "") - (y === ""); // what is empty stays at the end
    const numeric = Number(x) - Number(y);
    return sign * (Number.isNaN(numeric) ? x.localeCompare(y, "en", { numeric: true }) : numeric);
  };
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(order));
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

// A cell that shows an interval is three: the value and both ends.
function rowsOf(table) {
  return [...table.rows].map((row) => [...row.cells].flatMap((cell) => {
    if (cell.tagName === "TH") return JSON.parse(cell.dataset.full);
    const { low, high } = cell.dataset;
    return low === undefined ? [valueOf(cell)] : [valueOf(cell), low, high];
  }));
}

const quoted = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
const csv = (rows) => rows.map((row) => row.map(quoted).join(",")).join("\n") + "\n";
const tabbed = (rows) => rows.map((row) => row.map((text) => text.replace(/\s+/g, " ")).join("\t")).join("\n");

function button(label, action) {
  const element = document.createElement("button");
  element.type = "button";
  element.textContent = label;
  element.addEventListener("click", () => action(element));
  return element;
}

function save(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function copy(text, pressed) {
  const area = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy"); // the clipboard API is closed to pages from a disk
  area.remove();
  pressed.textContent = done ? "Copied" : "Can't copy";
  setTimeout(() => { pressed.textContent = "Copy"; }, 1500);
}

function equipTable(block) {
  const table = block.querySelector("table");
  [...table.tHead.rows[0].cells].forEach((header, column) => {
    header.dataset.label = header.textContent;
    const sort = button("", () => sortBy(table, column, header));
    sort.append(...header.childNodes);
    header.append(sort);
  });
  const tools = document.createElement("span");
  tools.className = "tools";
  tools.append(
    button("Copy", (pressed) => copy(tabbed(rowsOf(table)), pressed)),
    button("CSV", () => save(csv(rowsOf(table)), `${block.dataset.file}.csv`)),
  );
  block.querySelector(".bar").append(tools);
}

function equipCodeToggle() {
  const toggle = document.getElementById("code-toggle");
  toggle.hidden = false;
  toggle.addEventListener("click", () => {
    const show = toggle.getAttribute("aria-pressed") === "false";
    for (const code of document.querySelectorAll("details.code")) code.open = show;
    toggle.setAttribute("aria-pressed", String(show));
    toggle.textContent = show ? "Hide all code" : "Show all code";
  });
}

// A link to what is folded unfolds it.
function openTarget() {
  const target = location.hash && document.getElementById(location.hash.slice(1));
  for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
}

if (window.matchMedia("(max-width: 78rem)").matches) document.querySelector("nav details").open = false;
document.querySelectorAll("div.table").forEach(equipTable);
equipCodeToggle();
for (const fold of document.querySelectorAll("details.fold")) fold.addEventListener("toggle", drawFigures);
window.addEventListener("hashchange", openTarget);
openTarget();
window.addEventListener("beforeprint", fitFiguresToPage);
window.addEventListener("afterprint", fitFiguresToScreen);
drawFigures();
