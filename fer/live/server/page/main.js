// The page from its opening to its closing: what is asked, shown, begun and taken up again.

import { Camera } from "./camera.js";
import { Link } from "./link.js";
import { Panel } from "./panel.js";
import { Stage, ownWords } from "./stage.js";
import { Timeline } from "./timeline.js";
import * as words from "./words.js";

const IDS = [
  "view", "light", "state", "pace", "rate", "delay", "pause", "theme", "message", "spoken", "ask", "token", "before",
  "purpose", "does", "start", "where", "live", "frame", "video", "boxes", "hint", "caption", "tiles",
  "now", "now-title", "bars", "basis", "notices", "notify", "threshold", "shifts", "timeline",
  "legend", "shares", "valence", "table", "index", "index-title", "index-formula", "index-source",
  "index-evidence",
];
const $ = Object.fromEntries(IDS.map((id) => [id, document.getElementById(id)]));
// Frames that are on their way at once: one is read while the next one travels.
const IN_FLIGHT = 2;

const stage = new Stage($.frame, $.boxes);
const timeline = new Timeline($.shares, $.valence, $.table, $.legend);
const panel = new Panel($);
const camera = new Camera($.video, (text) => stop(text));
const flight = new Map();
let link, welcome, number = 0, running = false, paused = false, session = "", token = "";
let answers = [], delays = [], spoken = -Infinity;

function state(name) {
  $.light.dataset.state = name;
  $.state.textContent = words.STATES[name];
}

function say(text) {
  $.message.textContent = text;
  $.message.hidden = !text;
}

function hint(text) {
  if ($.hint.textContent !== text) $.hint.textContent = text;
}

async function open() {
  // What stands behind the # never leaves the browser; it is taken out of the address at once.
  const told = new URLSearchParams(location.hash.slice(1)).get("token");
  if (told !== null) {
    token = told;
    history.replaceState(null, "", location.pathname);
  }
  await greet();
}

async function greet() {
  let answer;
  try {
    answer = await fetch("/v1/welcome", { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  } catch {
    say("The server does not answer. Start it (fer serve); this page tries again.");
    setTimeout(greet, 2000);
    return;
  }
  say("");
  if (answer.status === 401) {
    if (token) say("That is not the token.");
    $.ask.hidden = false;
    $.token.focus();
    return;
  }
  if (!answer.ok) {
    say(`The server refuses this page: ${(await answer.json()).error}`);
    return;
  }
  $.ask.hidden = true;
  welcome = await answer.json();
  describe();
}

function describe() {
  const own = welcome.source === "browser";
  $.view.textContent = words.VIEWS[welcome.view];
  document.body.dataset.view = welcome.view;
  document.body.dataset.source = welcome.source;
  $.purpose.textContent = words.PURPOSE[welcome.view];
  $.does.replaceChildren(...words.does(welcome).map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  }));
  $.start.textContent = own ? "Start the camera" : "Show the group";
  $.where.textContent = own ? "All is computed by this server; the page asks no other." : `Source: ${welcome.name}`;
  $["now-title"].textContent = welcome.view === "class" ? "The group now" : "Your face now";
  for (const id of ["timeline", "notices"]) $[id].hidden = welcome.view !== "class";
  if (!welcome.valence) $.notices.hidden = true;
  $.index.hidden = welcome.index === null || welcome.view !== "class";
  if (welcome.index !== null) {
    $["index-title"].textContent = `${welcome.index.title} (${welcome.index.name})`;
    for (const key of ["formula", "source", "evidence"]) $[`index-${key}`].textContent = welcome.index[key];
  }
  $.before.hidden = false;
}

async function start() {
  say("");
  $.start.disabled = true;
  try {
    if (welcome.source === "browser") {
      await camera.start(welcome.view === "class" ? [1280, 720] : [640, 480]);
    }
  } catch (error) {
    say(error.message);
    return;
  } finally {
    $.start.disabled = false;
  }
  $.before.hidden = true;
  $.live.hidden = false;
  $.pause.hidden = $.pace.hidden = false;
  panel.begin(welcome);
  timeline.begin(welcome);
  running = true;
  paused = false;
  hint(words.WAITING);
  link = new Link(token, told, changed);
  // The same session after a reload.
  link.key = remembered();
  link.connect();
  if (welcome.view === "class") timeline.draw();
  $.pause.focus();
}

function stop(text) {
  running = false;
  camera.stop();
  if (link) link.close();
  flight.clear();
  stage.clear();
  state("off");
  say(text);
  $.live.hidden = true;
  $.pause.hidden = $.pace.hidden = true;
  $.before.hidden = false;
  $.start.focus();
}

async function pause() {
  paused = !paused;
  $.pause.textContent = paused ? "Go on" : "Pause";
  flight.clear();
  if (paused) {
    // The camera's light goes out, and nothing is sent.
    camera.stop();
    stage.clear();
    state("paused");
    hint(welcome.source === "browser" ? "Paused: the camera is off" : "Paused");
    return;
  }
  hint(words.WAITING);
  if (welcome.source === "browser") {
    try {
      await camera.start(welcome.view === "class" ? [1280, 720] : [640, 480]);
    } catch (error) {
      stop(error.message);
      return;
    }
  }
  state(link.open ? "on" : "lost");
}

function changed(name) {
  flight.clear();
  if (!running) return;
  if (name === "taken") {
    stop(words.TAKEN);
    return;
  }
  if (!paused) state(name);
  if (name === "lost") {
    stage.clear();
    hint("The link to the server is lost; it is taken up again by itself");
    answers = [];
    delays = [];
    $.rate.textContent = $.delay.textContent = "–";
  }
}

function told(message) {
  if (message.type === "started") begun(message.key);
  else if (message.type === "faces") faces(message);
  else if (message.type === "window") windowTold(message);
  else if (message.type === "shift") shiftTold(message);
  else if (message.type === "problem") flight.delete(message.id);
  else if (message.type === "source" && words.SOURCE[message.state]) sourceEnded(message.state);
  else if (message.type === "end") say(`The server ended the link: ${message.words}`);
}

function begun(key) {
  // The server tells a session's past again; another one goes on behind it.
  if (key === session || timeline.windows.length === 0) timeline.restart();
  else timeline.goOn();
  if (key === session) $.shifts.replaceChildren();
  session = key;
  remember(key);
  say("");
}

function faces(message) {
  const now = performance.now();
  const sent = flight.get(message.id);
  if (sent !== undefined) delays.push(now - sent);
  // Of a source of the server it says itself how long it took.
  if (message.took !== undefined) delays.push(1000 * message.took);
  // Answers come in order: what was sent before was dropped.
  for (const id of flight.keys()) if (id <= message.id) flight.delete(id);
  answers.push(now);
  if (paused) return;
  stage.show(message);
  panel.heads(message.boxes.length);
  hint(message.boxes.length === 0 ? words.NOBODY : "");
  if (message.own) {
    panel.shares(message.own.probabilities);
    $.basis.textContent = message.boxes.length > 1 ? "Only the largest face is read." : "";
    speak(ownWords(message.own), 5000);
  } else if (welcome.view === "individual") {
    panel.shares(null);
  }
}

// What changes all the time is read aloud now and then.
function speak(text, pause) {
  const now = performance.now();
  if (now - spoken < pause) return;
  spoken = now;
  $.spoken.textContent = text;
}

function windowTold(message) {
  timeline.add(message);
  if (paused) return;
  panel.window(message);
  timeline.draw();
  const faces = `${message.faces_median} ${message.faces_median === 1 ? "face" : "faces"}`;
  speak(`${faces}. ${message.withheld ? welcome.withheld[message.withheld] : timeline.words()}`, 30000);
}

function shiftTold(message) {
  if ($.notify.checked) timeline.shift(message.time);
  panel.shift(message, timeline.offset);
}

function sourceEnded(name) {
  state("ended");
  hint(words.SOURCE[name]);
}

// Browsers may forbid a page to remember; then a reload begins anew. All tabs of a browser go on with
// one session, so that two can't be held against each other.
function remembered() {
  try {
    return localStorage.getItem("session") || "";
  } catch {
    return "";
  }
}

function remember(key) {
  try {
    localStorage.setItem("session", key);
  } catch {
    // Nothing depends on it.
  }
}

async function look() {
  if (running && !paused && welcome.source === "browser" && camera.ready && link.open && flight.size < IN_FLIGHT) {
    const id = (number = (number + 1) % 2 ** 32);
    flight.set(id, performance.now());
    const bytes = await camera.jpeg();
    if (bytes !== null && link.open && flight.has(id)) link.send(id, bytes);
    else flight.delete(id);
  }
}

// A frame is taken when there is a new one and room for it.
function loop() {
  look();
  if ($.video.requestVideoFrameCallback && camera.ready) $.video.requestVideoFrameCallback(loop);
  else setTimeout(loop, 50);
}

function pace() {
  const now = performance.now();
  answers = answers.filter((time) => now - time < 3000);
  if (running && !paused && answers.length) {
    $.rate.textContent = (answers.length / 3).toFixed(answers.length < 30 ? 1 : 0);
    $.delay.textContent =
      delays.length === 0 ? "–" : `${Math.round(delays.reduce((a, b) => a + b) / delays.length)} ms`;
  } else {
    $.rate.textContent = $.delay.textContent = "–";
  }
  delays = delays.slice(-30);
  $.caption.textContent = welcome && welcome.source === "server"
    ? `${welcome.name}: the picture stays on the server, frames show where faces are.`
    : "The picture is your own browser's. Frames show where faces are.";
  if (link && running && !paused) link.check(flight.size > 0);
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  $.theme.textContent = name === "dark" ? "Light" : "Dark";
  $.theme.setAttribute("aria-label", `Change to ${name === "dark" ? "light" : "dark"} colours`);
  if (running && welcome.view === "class") timeline.draw();
}

$.ask.addEventListener("submit", (event) => {
  event.preventDefault();
  token = $.token.value;
  $.token.value = "";
  greet();
});
$.start.addEventListener("click", start);
$.pause.addEventListener("click", pause);
$.theme.addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
$.table.closest("details").addEventListener("toggle", () => timeline.fill());
window.addEventListener("resize", () => {
  if (stage.message) stage.show(stage.message);
  if (running && welcome.view === "class") timeline.draw();
});
theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
setInterval(pace, 1000);
loop();
open();
