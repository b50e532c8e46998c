// What was told of the group: shares piled up, and valence, over the last ten minutes.

import { clock, percent, shareOf, signed } from "./words.js";

const SPAN = 600;
const LEFT = 44;
const ROWS = 60;

export class Timeline {
  constructor(shares, valence, table, legend) {
    Object.assign(this, { shares, valence, table, legend });
    this.windows = [];
    this.shifts = [];
    this.offset = 0;
  }

  begin(welcome) {
    this.welcome = welcome;
    this.colors = welcome.classes.map((name, place) => colorName(name, place));
    this.legend.replaceChildren(
      ...welcome.classes.map((name, place) => legendItem(name, this.colors[place])),
      legendItem("withheld", "gap"),
    );
    this.valence.parentElement.classList.toggle("no-valence", !welcome.valence);
  }

  // A session that goes on tells its past again.
  restart() {
    this.windows = [];
    this.shifts = [];
  }

  // When a new session begins, the time goes on behind what was there.
  goOn() {
    const last = this.windows.at(-1);
    this.offset = last === undefined ? 0 : last.end;
  }

  add(window) {
    const moved = { ...window, start: window.start + this.offset, end: window.end + this.offset };
    this.windows.push(moved);
    const first = moved.end - SPAN - 60;
    while (this.windows[0].end < first) this.windows.shift();
    this.shifts = this.shifts.filter((time) => time > first);
  }

  shift(time) {
    this.shifts.push(time + this.offset);
  }

  draw() {
    const last = this.windows.at(-1);
    const end = Math.max(SPAN / 10, last === undefined ? 0 : last.end);
    // The first minutes fill the width step by step.
    const span = Math.min(SPAN, Math.max(60, 60 * Math.ceil(end / 60)));
    const start = Math.max(0, end - span);
    this.drawShares(start, span);
    if (this.welcome.valence) this.drawValence(start, span);
    this.fill();
  }

  drawShares(start, span) {
    const area = prepared(this.shares, 190, start, span, (share) => 1 - share);
    area.grid([0, 0.5, 1], percent);
    for (const one of this.windows) {
      if (one.end <= start) continue;
      if (one.withheld) area.gap(one);
      let low = 0;
      this.welcome.classes.forEach((name, place) => {
        const share = one.shares === null ? 0 : one.shares[name];
        area.block(one, low, low + share, this.colors[place]);
        low += share;
      });
    }
    for (const time of this.shifts) area.mark(time);
    area.times();
    this.shares.setAttribute("aria-label", this.words());
  }

  drawValence(start, span) {
    const area = prepared(this.valence, 120, start, span, (value) => (1 - value) / 2);
    area.grid([-1, 0, 1], (value) => (value === 0 ? "0" : signed(value).replace(".00", "")));
    for (const one of this.windows) if (one.withheld && one.end > start) area.gap(one);
    area.line(this.windows.filter((one) => one.valence !== null && one.end > start));
    for (const time of this.shifts) area.mark(time);
    area.times();
    const last = this.windows.findLast((one) => one.valence !== null);
    const words = last === undefined ? "nothing told yet" : `${signed(last.valence)} now`;
    this.valence.setAttribute("aria-label", `Valence of the group over time: ${words}`);
  }

  words() {
    const last = this.windows.findLast((one) => one.shares !== null);
    if (last === undefined) return "Shares of the emotions over time: nothing told yet";
    const sorted = Object.entries(last.shares).filter((one) => one[1] > 0).sort((a, b) => b[1] - a[1]);
    const words = sorted.map(([name]) => `${name} ${shareOf(last, name)}`).join(", ");
    return `Shares of the emotions over time; the last told at ${clock(last.end)}: ${words}`;
  }

  fill() {
    if (!this.table.closest("details").open) return;
    const { classes, valence } = this.welcome;
    const head = ["time", "faces", ...classes, ...(valence ? ["valence", "volatility"] : []), "confidence"];
    const rows = this.windows.slice(-ROWS).reverse().map((one) => {
      const cells = [clock(one.end), one.faces_median];
      if (one.shares === null) return [...cells, this.welcome.withheld[one.withheld]];
      cells.push(...classes.map((name) => shareOf(one, name)));
      if (valence) cells.push(signed(one.valence), one.volatility === null ? "–" : one.volatility.toFixed(2));
      return [...cells, one.confidence === null ? "–" : percent(one.confidence)];
    });
    this.table.replaceChildren(row(head, "th", head.length), ...rows.map((one) => row(one, "td", head.length)));
  }
}

function row(cells, kind, width) {
  const made = document.createElement("tr");
  cells.forEach((text, place) => {
    const cell = document.createElement(kind);
    cell.textContent = text;
    if (kind === "th") cell.scope = "col";
    if (place === cells.length - 1 && cells.length < width) cell.colSpan = width - cells.length + 1;
    made.append(cell);
  });
  return made;
}

const NAMED = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"];

export function colorName(name, place) {
  return NAMED.includes(name) ? name : NAMED[place % NAMED.length];
}

function legendItem(name, color) {
  const item = document.createElement("li");
  const key = document.createElement("span");
  key.className = `key k-${color}`;
  item.append(key, name);
  return item;
}

function prepared(canvas, height, start, span, share) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(200, canvas.parentElement.clientWidth - 2 * 18);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return new Area(context, width, height, start, span, share, getComputedStyle(canvas));
}

class Area {
  constructor(context, width, height, start, span, share, style) {
    Object.assign(this, { context, width, height, start, span, share, style });
  }

  color(name) {
    return this.style.getPropertyValue(`--${name}`).trim();
  }

  x(time) {
    return LEFT + ((this.width - LEFT - 4) * Math.max(0, time - this.start)) / this.span;
  }

  y(value) {
    return 8 + (this.height - 8 - 22) * this.share(value);
  }

  grid(values, told) {
    const context = this.context;
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const value of values) {
      context.fillStyle = this.color("edge");
      context.fillRect(LEFT, Math.round(this.y(value)), this.width - LEFT - 4, 1);
      context.fillStyle = this.color("quiet");
      context.fillText(told(value), LEFT - 8, this.y(value));
    }
  }

  times() {
    const context = this.context;
    const step = this.span > 300 ? 120 : this.span > 120 ? 60 : 15;
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    context.fillStyle = this.color("quiet");
    for (let t = step * Math.ceil(this.start / step); t <= this.start + this.span; t += step) {
      const x = Math.min(this.width - 18, Math.max(LEFT + 10, this.x(t)));
      context.fillText(clock(t), x, this.height - 4);
    }
  }

  block(window, low, high, color) {
    if (high <= low) return;
    const [left, right] = [Math.round(this.x(window.start)), Math.round(this.x(window.end))];
    const [top, bottom] = [this.y(high), this.y(low)];
    this.context.fillStyle = this.color(color);
    this.context.fillRect(left, top, Math.max(1, right - left), bottom - top);
  }

  gap(window) {
    const [left, right] = [Math.round(this.x(window.start)), Math.round(this.x(window.end))];
    const top = 8;
    this.context.fillStyle = this.color("gap");
    this.context.fillRect(left, top, Math.max(1, right - left), this.height - 8 - 22);
  }

  line(windows) {
    const context = this.context;
    context.strokeStyle = this.color("accent");
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.beginPath();
    let before;
    for (const one of windows) {
      const y = this.y(one.valence);
      const follows = before !== undefined && one.start - before.end < 0.01;
      if (follows) context.lineTo(this.x(one.start), y);
      else context.moveTo(this.x(one.start), y);
      context.lineTo(this.x(one.end), y);
      before = one;
    }
    context.stroke();
  }

  mark(time) {
    if (time < this.start) return;
    const context = this.context;
    context.strokeStyle = this.color("ink");
    context.lineWidth = 1.5;
    context.setLineDash([4, 3]);
    context.beginPath();
    context.moveTo(this.x(time), 8);
    context.lineTo(this.x(time), this.height - 22);
    context.stroke();
    context.setLineDash([]);
  }
}
