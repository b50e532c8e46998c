// The picture with frames around faces; of a source of the server, the frames alone.

import { percent } from "./words.js";

export class Stage {
  constructor(frame, canvas) {
    this.frame = frame;
    this.canvas = canvas;
    this.clear();
  }

  clear() {
    this.message = undefined;
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.canvas.setAttribute("aria-label", "No face");
  }

  show(message) {
    this.message = message;
    const [width, height] = message.size;
    const canvas = this.canvas;
    if (this.width !== width || this.height !== height) {
      [this.width, this.height] = [width, height];
      this.frame.style.aspectRatio = `${width} / ${height}`;
    }
    const wide = this.frame.clientWidth;
    const ratio = window.devicePixelRatio || 1;
    const [across, down] = [Math.round(wide * ratio), Math.round((wide * ratio * height) / width)];
    if (canvas.width !== across || canvas.height !== down) {
      [canvas.width, canvas.height] = [across, down];
    }
    const scale = across / width;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, across, down);
    for (const box of message.boxes) this.box(context, box, scale, ratio);
    if (message.own) this.own(context, message.own, scale, ratio);
    const count = message.boxes.length;
    canvas.setAttribute("aria-label", `${count} ${count === 1 ? "face" : "faces"}`);
  }

  box(context, box, scale, ratio) {
    const [x, y, w, h] = box.map((value) => value * scale);
    context.lineWidth = 4 * ratio;
    context.strokeStyle = "rgb(0 0 0 / 55%)";
    round(context, x, y, w, h, ratio);
    context.lineWidth = 2 * ratio;
    context.strokeStyle = "#ffd166";
    round(context, x, y, w, h, ratio);
  }

  // Emotion bars beside the face, or where there is room.
  own(context, own, scale, ratio) {
    const [x, y, w, h] = own.box.map((value) => value * scale);
    const names = Object.keys(own.probabilities);
    const [line, pad, wide] = [17 * ratio, 8 * ratio, 170 * ratio];
    const high = line * names.length + 2 * pad + (own.uncertain ? line : 0);
    const { width, height } = this.canvas;
    // Beside the face where there is room, else where it hides least of it.
    const middle = Math.max(0, Math.min(height - high, y + h / 2 - high / 2));
    const places = [[x + w + pad, middle], [x - wide - pad, middle]];
    for (const down of [0, height - high]) places.push([0, down], [width - wide, down]);
    const hidden = ([a, b]) => {
      if (a < 0 || b < 0 || a + wide > width || b + high > height) return Infinity;
      const across = Math.min(a + wide, x + w) - Math.max(a, x);
      const along = Math.min(b + high, y + h) - Math.max(b, y);
      return Math.max(0, across) * Math.max(0, along);
    };
    const amounts = places.map(hidden);
    const best = places[amounts.indexOf(Math.min(...amounts))];
    const [left, top] = best.map((value) => Math.max(0, value));
    context.fillStyle = "rgb(16 22 30 / 82%)";
    context.beginPath();
    context.roundRect(left, top, wide, high, 8 * ratio);
    context.fill();
    context.font = `${12 * ratio}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    names.forEach((name, place) => {
      const at = top + pad + line * (place + 0.5);
      const share = own.probabilities[name];
      context.fillStyle = "rgb(255 255 255 / 14%)";
      context.fillRect(left + 74 * ratio, at - 4 * ratio, wide - 82 * ratio, 8 * ratio);
      context.fillStyle = name === own.label ? "#ffd166" : "#9fb4cc";
      context.fillRect(left + 74 * ratio, at - 4 * ratio, (wide - 82 * ratio) * share, 8 * ratio);
      context.fillStyle = "#fff";
      context.fillText(name, left + pad, at);
    });
    if (own.uncertain) {
      context.fillStyle = "#ffd166";
      context.fillText("too small or too little sure", left + pad, top + high - pad - line / 2);
    }
  }
}

function round(context, x, y, w, h, ratio) {
  context.beginPath();
  context.roundRect(x, y, w, h, 6 * ratio);
  context.stroke();
}

export function ownWords(own) {
  const sorted = Object.entries(own.probabilities).sort((a, b) => b[1] - a[1]);
  if (own.uncertain) return "uncertain";
  return sorted.slice(0, 2).map(([name, share]) => `${name} ${percent(share)}`).join(", ");
}
