// Draws the figures of a report in the colours of the theme, sorts its tables, and makes it fit for paper.
const THEMES = {
  light: { ink: "#1b1b1b", soft: "#5b5f66", grid: "#e3e5e8", paper: "#ffffff" },
  dark: { ink: "#e4e4e4", soft: "#a3a8b0", grid: "#34383e", paper: "#17191c" },
};
const PAPER_WIDTH_PX = 690, PAPER_HEIGHT_PX = 380, PAPER_MOST_PX = 830, REM_PX = 16; // of a figure: A4 at 96 dots per inch, less the margins, two figures a page or one below its head
const FONT_PX = 12.5, LEAST_FONT_PX = 5, TITLE_LETTER_PX = 6.8, NAME_LETTER_PX = 6.6, NAME_LINE_PX = 17; // of an axis, letters in the mean, lines with room for marks at its ends
const LEGEND_LINE_PX = 19, LEGEND_MARK_PX = 45;
const USUAL_LEGEND = 4, AROUND_NAMES_PX = 140; // lines of a legend that a figure has room for; what stands above and below its names
const figures = new Map();
const systemIsDark = matchMedia("(prefers-color-scheme: dark)");
let chosenTheme = null;
let printing = false;

// A frame that is still being written keeps the page from being called loaded, so that whoever waits for that (a browser
// that prints without a screen) sees the figures.
const gate = document.head.appendChild(document.createElement("iframe"));
gate.contentDocument.open();

// Plotly runs as soon as its script is unpacked; a browser that knows light-dark() knows how.
const unpacked = (async () => {
  const packed = atob(document.getElementById("packed").textContent), bytes = new Uint8Array(packed.length);
  for (let at = 0; at < packed.length; at++) bytes[at] = packed.charCodeAt(at); // thirty times as fast as Uint8Array.from
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const script = document.createElement("script");
  script.textContent = await new Response(stream).text();
  document.head.append(script);
  script.remove();
})();

function themeName() {
  if (printing) return "light";
  return chosenTheme ?? (systemIsDark.matches ? "dark" : "light");
}

// Black is the colour of ink, white that of paper: they change places on a dark page.
function inked(value, theme) {
  if (value === "#000000") return theme.ink;
  if (value === "#ffffff") return theme.paper;
  if (Array.isArray(value)) return value.some((each) => typeof each === "object" || each === "#000000") ? value.map((each) => inked(each, theme)) : value;
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, inked(each, theme)]));
}

// An axis whose title is in lines that have room.
function folded(axis, room_px) {
  const lines = [];
  for (const word of (axis.title?.text ?? "").split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length && longer.length * TITLE_LETTER_PX <= room_px) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return { ...axis, title: { ...axis.title, text: lines.join("<br>") } };
}

// A name in lines, broken behind spaces, or within a field's name that is longer than a line.
function inLines(name, letters) {
  const found = [], whole = new RegExp(`.{1,${letters}}`, "g");
  const words = name.replace("<br>", " ").split(/(?<=\s)/);
  const parts = words.flatMap((word) => word.trimEnd().length <= letters ? [word] : word.split(/(?<=[._])/).flatMap((part) => part.match(whole)));
  for (const part of parts) {
    if (found.length && (found.at(-1) + part).trimEnd().length <= letters) found[found.length - 1] += part;
    else found.push(part);
  }
  return found.map((line) => line.trimEnd());
}

// An axis whose names leave most of the width to the figure, and the height that they take.
function named(axis, data, room_px) {
  const names = [...new Set(data.flatMap((trace) => trace.y ?? []))];
  const usual = axis.tickfont?.size ?? FONT_PX;
  for (let size = usual; ; size *= 0.95) { // smaller on a sheet that else had no room for them
    const scale = size / FONT_PX, letters = Math.floor(room_px / NAME_LETTER_PX / scale);
    if (size === usual && !names.some((name) => typeof name === "string" && name.length > letters)) return [axis, 0];
    const folded = names.map((name) => inLines(String(name), letters));
    const needed_px = names.length * Math.max(...folded.map((each) => each.length)) * NAME_LINE_PX * scale;
    if (printing && needed_px + AROUND_NAMES_PX > PAPER_MOST_PX && size > LEAST_FONT_PX) continue;
    return [{ ...axis, tickmode: "array", tickvals: names, ticktext: folded.map((each) => each.join("<br>")), tickfont: { ...axis.tickfont, size } }, needed_px];
  }
}

// Height that lines of a legend take beyond the usual: it stands in columns as wide as its longest name.
function beyondLegend(data, layout, width_px) {
  if (layout.showlegend === false) return 0;
  const names = data.filter((trace) => trace.name && trace.showlegend !== false).map((trace) => trace.name);
  const column_px = LEGEND_MARK_PX + TITLE_LETTER_PX * Math.max(0, ...names.map((name) => name.length));
  const lines = Math.ceil(names.length / Math.max(1, Math.floor(width_px / column_px)));
  return LEGEND_LINE_PX * Math.max(0, lines - USUAL_LEGEND);
}

function template({ ink, soft, grid, paper }) {
  const axis = {
    automargin: true, gridcolor: grid, linecolor: grid, zerolinecolor: grid, tickcolor: grid, ticks: "outside",
    exponentformat: "SI", minexponent: 5,
    title: { standoff: 10, font: { size: 13 } },
  };
  return { layout: {
    font: { family: "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif", size: FONT_PX, color: ink },
    paper_bgcolor: paper, plot_bgcolor: paper, xaxis: axis, yaxis: axis, hovermode: "closest", showlegend: true, barmode: "stack",
    margin: { l: 64, r: 18, t: 26, b: 40 }, uniformtext: { mode: "hide", minsize: 9 },
    legend: { orientation: "h", x: 0, xanchor: "left", yref: "container", y: 0, yanchor: "bottom", maxheight: 0.6, traceorder: "normal", title: { font: { size: 12 } } },
    hoverlabel: { bgcolor: paper, bordercolor: soft, font: { color: ink, size: FONT_PX }, align: "left", namelength: -1 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink },
  } };
}

// What plotly draws, and how high: more than usual where names or a legend need it.
function themed({ data, layout }, width_px, usual_px) {
  const theme = THEMES[themeName()];
  const [yaxis, names_px] = named(layout.yaxis, data, 0.45 * Math.min(width_px, innerWidth)); // a wide one scrolls, names first
  const height_px = Math.max(usual_px, names_px && names_px + AROUND_NAMES_PX) + beyondLegend(data, layout, width_px);
  const axes = { xaxis: folded(layout.xaxis, 0.5 * width_px), yaxis: folded(yaxis, 0.55 * usual_px) };
  return [inked(data, theme), { ...inked({ ...layout, ...axes }, theme), template: template(theme), uirevision: "kept" }, height_px];
}

// Nothing leaves the reader's machine: newer versions of plotly offer to upload a chart.
const CONFIG = { displaylogo: false, showSendToCloud: false, displayModeBar: "hover", modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

async function draw(name, figure) {
  await unpacked;
  figures.set(name, figure);
  show(name, figure);
}

function show(name, figure) {
  const element = document.getElementById(name);
  element.style.minHeight = "";
  const width = printing ? PAPER_WIDTH_PX : element.clientWidth;
  const own_px = REM_PX * parseFloat(element.style.height); // not a number where it has the usual height
  const usual_px = printing ? Math.min(own_px || PAPER_HEIGHT_PX, PAPER_MOST_PX) : element.clientHeight;
  const [data, layout, needed_px] = themed(figure, width, usual_px);
  const height = printing ? Math.min(needed_px, PAPER_MOST_PX) : needed_px;
  element.style.minHeight = `${height}px`;
  Plotly.react(name, data, { ...layout, width, height }, CONFIG);
}

function redraw() {
  for (const [name, figure] of figures) show(name, figure);
}

function setTheme(name) {
  chosenTheme = name;
  document.documentElement.style.colorScheme = name;
  redraw();
}

function setPrinting(now) {
  printing = now;
  redraw();
}

// What a cell sorts by: its number times its prefix where it shows a quantity, else its text.
const PREFIXES = { P: 1e15, T: 1e12, G: 1e9, M: 1e6, k: 1e3, m: 1e-3, "µ": 1e-6, n: 1e-9, p: 1e-12, f: 1e-15, a: 1e-18 };
function sortKey(text) {
  const found = /^([+-]?\d[\d,]*\.?\d*(?:e[+-]?\d+)?)\s*([PTGMkmµnpfa]?)(?:s|J|Js²?|B|B\/s|W|Hz|MAC|MAC\/s|inf\/s|%|x|)$/.exec(text.trim());
  return found ? Number(found[1].replaceAll(",", "")) * (PREFIXES[found[2]] ?? 1) : text;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  if (typeof one !== typeof other) return typeof one === "number" ? -1 : 1;
  return one.localeCompare(other);
}

function sortTable(head) {
  const descending = head.getAttribute("aria-sort") === "ascending";
  const table = head.closest("table");
  for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
  const rows = [...table.tBodies[0].rows].map((row) => [sortKey(row.cells[head.cellIndex].textContent), row]);
  rows.sort(([one], [other]) => (descending ? compare(other, one) : compare(one, other)));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

function filterTable(input) {
  const wanted = input.value.toLowerCase();
  for (const row of document.getElementById(input.dataset.table).tBodies[0].rows) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted);
  }
}

addEventListener("DOMContentLoaded", async () => {
  await unpacked;
  gate.contentDocument.close();
  gate.remove();
});
systemIsDark.addEventListener("change", redraw);
let resized = 0;
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(redraw, 100); });
addEventListener("beforeprint", () => setPrinting(true));
addEventListener("afterprint", () => setPrinting(false));
addEventListener("click", ({ target }) => {
  if (target.matches("th.sortable")) sortTable(target);
  if (target.matches("#theme")) setTheme(themeName() === "dark" ? "light" : "dark");
});
addEventListener("input", ({ target }) => { if (target.matches("input[data-table]")) filterTable(target); });
