// The numbers of the moment: tiles, bars, and notices of shifts.

import { clock, percent, shareOf, signed } from "./words.js";
import { colorName } from "./timeline.js";

const SOON =
  "Once there are two minutes to compare with: when ten seconds differ from them by far more than usual.";

export class Panel {
  constructor(nodes) {
    this.nodes = nodes;
    this.tiles = {};
  }

  begin(welcome) {
    this.welcome = welcome;
    const tiles = [["heads", "faces in sight"]];
    if (welcome.view === "class") {
      tiles.push(["stay", "median time in sight"]);
      if (welcome.valence) tiles.push(["valence", "valence, −1 to 1"], ["volatility", "volatility"]);
      tiles.push(["confidence", "mean confidence"]);
      if (welcome.index) tiles.push(["index", `${welcome.index.title.toLowerCase()} (${welcome.index.name})`]);
    }
    this.nodes.tiles.replaceChildren(...tiles.map(([key, words]) => this.tile(key, words)));
    this.nodes.threshold.textContent = SOON;
    this.bars = {};
    this.nodes.bars.replaceChildren(
      ...welcome.classes.map((name, place) => this.bar(name, colorName(name, place))),
    );
  }

  tile(key, words) {
    const tile = document.createElement("div");
    tile.className = "tile";
    const value = document.createElement("strong");
    value.id = `tile-${key}`;
    value.textContent = "–";
    const text = document.createElement("span");
    text.textContent = words;
    tile.append(value, text);
    this.tiles[key] = value;
    return tile;
  }

  bar(name, color) {
    const line = document.createElement("div");
    line.className = "bar";
    const word = document.createElement("span");
    word.textContent = name;
    const track = document.createElement("span");
    track.className = "track";
    const fill = document.createElement("span");
    fill.className = `fill k-${color}`;
    track.append(fill);
    const value = document.createElement("span");
    value.className = "value";
    value.textContent = "–";
    line.append(word, track, value);
    this.bars[name] = { fill, value };
    return line;
  }

  heads(count) {
    this.tiles.heads.textContent = count;
  }

  shares(shares, told = (name) => percent(shares[name])) {
    for (const [name, { fill, value }] of Object.entries(this.bars)) {
      fill.style.width = `${shares === null ? 0 : 100 * shares[name]}%`;
      value.textContent = shares === null ? "–" : told(name);
    }
  }

  window(one) {
    const put = (key, text) => {
      if (this.tiles[key] !== undefined) this.tiles[key].textContent = text;
    };
    put("stay", one.faces_median === 0 ? "–" : clock(one.dwell_seconds));
    put("valence", one.valence === null ? "–" : signed(one.valence));
    put("volatility", one.volatility === null ? "–" : one.volatility.toFixed(2));
    put("confidence", one.confidence === null ? "–" : percent(one.confidence));
    put("index", one.index === null ? "–" : one.index.toFixed(2));
    this.shares(one.shares, (name) => shareOf(one, name));
    this.nodes.bars.classList.toggle("ranges", one.counts !== null);
    this.nodes.basis.textContent = one.withheld
      ? `Withheld: ${this.welcome.withheld[one.withheld]}.`
      : `Of ${one.faces} faces drawn by lot, ${one.read} of them read in the last ${this.welcome.seconds} s` +
        (one.read < one.faces ? "; the others count as last seen." : ".") +
        (one.counts ? " Of fewer than 20 faces ranges are told, and no confidence." : "");
    this.nodes.now.classList.toggle("withheld", Boolean(one.withheld));
    this.nodes.threshold.textContent =
      one.threshold === null
        ? SOON
        : `When ten seconds differ from the two minutes before by more than ${one.threshold.toFixed(2)}.`;
  }

  shift(one, offset) {
    if (!this.nodes.notify.checked) return;
    const item = document.createElement("li");
    const word = one.after > one.before ? "more pleasant" : "less pleasant";
    item.textContent = `${clock(one.time + offset)}: valence from ${signed(one.before)} to ${signed(one.after)}, ${word}`;
    this.nodes.shifts.prepend(item);
    while (this.nodes.shifts.children.length > 5) this.nodes.shifts.lastChild.remove();
  }
}
