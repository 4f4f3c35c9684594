// The websocket: requests with the answers that they get, and what is told without being asked for.

const RETRY_MILLISECONDS = 1000;

export class RefusedError extends Error {}

export class Link extends EventTarget {
  #socket = null;
  #next = 1;
  #waiting = new Map();
  connected = false;

  connect() {
    const url = new URL("session", location.href);
    url.protocol = "ws:";
    url.hash = url.search = "";
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.addEventListener("open", () => {
      this.connected = true;
      this.#tell("open");
    });
    socket.addEventListener("message", (event) => this.#hear(JSON.parse(event.data)));
    socket.addEventListener("close", (event) => this.#closed(event));
  }

  #closed(event) {
    this.connected = false;
    for (const { reject } of this.#waiting.values()) reject(new RefusedError("vmdbg is not there any more"));
    this.#waiting.clear();
    this.#tell("closed", event.reason);
    setTimeout(() => this.connect(), RETRY_MILLISECONDS);
  }

  #hear(message) {
    if (message.tell !== "answer" && message.tell !== "refused") {
      this.#tell(message.tell, message);
      return;
    }
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (waiting === undefined) return;
    if (message.tell === "answer") waiting.resolve(message.result);
    else waiting.reject(new RefusedError(message.words));
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  on(name, call) {
    this.addEventListener(name, (event) => call(event.detail));
  }

  // How many requests have no answer yet.
  get waiting() {
    return this.#waiting.size;
  }

  ask(kind, parts = {}) {
    if (!this.connected) return Promise.reject(new RefusedError("vmdbg is not there"));
    const id = this.#next;
    this.#next = (id % 0x7ffffffe) + 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.send(JSON.stringify({ ask: kind, id, ...parts }));
    });
  }
}
