// The link to the server: it comes back by itself, and goes on with the session it had.

const LONGEST_WAIT = 5000;
const SILENCE = 15000;
// Another tab has taken the session over: taking it back at once would never end.
const TAKEN = 4001;

export class Link {
  // told(message), changed(state): called with what the server says, and with how the link is.
  constructor(token, told, changed) {
    this.token = token;
    this.told = told;
    this.changed = changed;
    this.key = "";
    this.wait = 500;
    this.closed = false;
  }

  get open() {
    return this.socket !== undefined && this.socket.readyState === WebSocket.OPEN && this.begun;
  }

  connect() {
    clearTimeout(this.timer);
    this.closed = false;
    this.begun = false;
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const protocols = ["fer.v1"];
    // A script can't set headers, and addresses are written into logs.
    if (this.token) protocols.push(`fer.token.${hex(this.token)}`);
    const socket = new WebSocket(`${scheme}//${location.host}/v1/live`, protocols);
    this.socket = socket;
    socket.onopen = () => socket.send(JSON.stringify({ type: "start", resume: this.key }));
    socket.onmessage = (event) => this.take(socket, JSON.parse(event.data));
    socket.onclose = (event) => this.lost(socket, event.code);
    this.changed("connecting");
  }

  take(socket, message) {
    if (socket !== this.socket) return;
    this.heard = performance.now();
    if (message.type === "started") {
      this.key = message.key || this.key;
      this.begun = true;
      this.wait = 500;
      this.changed("on");
    }
    this.told(message);
  }

  lost(socket, code) {
    if (socket !== this.socket || this.closed) return;
    this.begun = false;
    if (code === TAKEN) {
      this.closed = true;
      this.changed("taken");
      return;
    }
    this.changed("lost");
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), this.wait);
    this.wait = Math.min(2 * this.wait, LONGEST_WAIT);
  }

  // A link may be dead without having been closed: when frames stay unanswered.
  check(waiting) {
    if (waiting && this.open && performance.now() - this.heard > SILENCE) {
      const old = this.socket;
      this.socket = undefined;
      old.close();
      this.changed("lost");
      this.connect();
    }
  }

  send(number, bytes) {
    const message = new Uint8Array(4 + bytes.byteLength);
    new DataView(message.buffer).setUint32(0, number);
    message.set(new Uint8Array(bytes), 4);
    this.socket.send(message);
  }

  close() {
    this.closed = true;
    this.begun = false;
    clearTimeout(this.timer);
    if (this.socket) this.socket.close(1000);
  }
}

function hex(text) {
  return [...new TextEncoder().encode(text)].map((b) => b.toString(16).padStart(2, "0")).join("");
}
