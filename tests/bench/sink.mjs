// A push service that takes everything: HTTP/2 and HTTP/1.1 over TLS, 201 for every POST.
// node sink.mjs KEY CERT; writes its port to standard output and ends with its standard input.
// Calls over HTTP/2 of /counted/{number}-… are counted by number, of /timed/{number}-… the times are kept; GET /notes
// tells, POST /forget begins anew.
// HTTP/2 is spoken here by hand, as far as a client that sends small POSTs can tell: node's own module takes five
// times the CPU, and the sink shares its cores with what is measured.
import { readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer as createTlsServer } from "node:tls";

const [keyFile, certificateFile] = process.argv.slice(2);
const headers = { location: "https://localhost/m/1", ttl: "3600" };

// --- What was called ---------------------------------------------------------------------------------------------

let calls, timed, posts, firstAt, lastAt;
const forget = () => {
  [calls, timed, posts, firstAt, lastAt] = [new Uint8Array(1 << 16), [], 0, null, null];
};
forget();

const now = () => (performance.timeOrigin + performance.now()) / 1000; // Unix seconds

function note(path) {
  if (path.startsWith("/timed/")) timed.push([parseInt(path.slice(7), 10), now()]);
  else if (path.startsWith("/counted/")) {
    posts += 1;
    lastAt = now();
    firstAt ??= lastAt;
    count(parseInt(path.slice(9), 10));
  }
}

function count(number) {
  if (number >= calls.length) {
    const longer = new Uint8Array(Math.max(number + 1, 2 * calls.length));
    longer.set(calls);
    calls = longer;
  }
  if (calls[number] < 255) calls[number] += 1;
}

function notes() {
  let [devices, doubled] = [0, 0];
  for (const n of calls) {
    if (n) devices += 1;
    if (n > 1) doubled += n - 1;
  }
  return JSON.stringify({ posts, devices, doubled, first_at: firstAt, last_at: lastAt, timed });
}

// --- HTTP/2 (RFC 9113) and of HPACK (RFC 7541) what tells the path ---------------------------------------------------

const DATA = 0, HEADERS = 1, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8;
const END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, PRIORITY = 32;
const PREFACE = 24;
const WINDOW = 1 << 30; // of the connection; refilled at half

function frame(type, flags, stream, payload) {
  const made = Buffer.alloc(9 + payload.length);
  made.writeUIntBE(payload.length, 0, 3);
  made[3] = type;
  made[4] = flags;
  made.writeUInt32BE(stream, 5);
  payload.copy(made, 9);
  return made;
}

const number32 = (value) => {
  const made = Buffer.alloc(4);
  made.writeUInt32BE(value);
  return made;
};
// Literals without indexing: status (static name 8), location (46), and a name of its own.
const text = (value) => Buffer.from([value.length, ...Buffer.from(value)]);
const ACCEPTED = frame(HEADERS, END_STREAM | END_HEADERS, 0, Buffer.concat([
  Buffer.from([0x08]), text("201"), Buffer.from([0x0f, 31]), text(headers.location),
  Buffer.from([0x00]), text("ttl"), text(headers.ttl),
]));
const GREETING = Buffer.concat([
  frame(SETTINGS, 0, 0, Buffer.concat([Buffer.from([0, 3]), number32(1000)])), // concurrent streams
  frame(WINDOW_UPDATE, 0, 0, number32(WINDOW - 65535)),
]);

function acceptances(streams) {
  const made = Buffer.allocUnsafe(streams.length * ACCEPTED.length);
  streams.forEach((stream, place) => {
    ACCEPTED.copy(made, place * ACCEPTED.length);
    made.writeUInt32BE(stream, place * ACCEPTED.length + 5);
  });
  return made;
}

function speakHttp2(socket) {
  let held = Buffer.alloc(0), greeted = false, taken = 0;
  const control = [], accepted = [];
  socket.on("error", () => socket.destroy());
  socket.write(GREETING);
  socket.on("data", (chunk) => {
    const input = held.length ? Buffer.concat([held, chunk]) : chunk;
    let at = 0;
    if (!greeted && input.length >= PREFACE) [greeted, at] = [true, PREFACE];
    while (greeted && at + 9 <= input.length) {
      const end = at + 9 + input.readUIntBE(at, 3);
      if (end > input.length) break;
      const type = input[at + 3], flags = input[at + 4], stream = input.readUInt32BE(at + 5);
      if (type === HEADERS) {
        const begin = at + 9 + (flags & PADDED ? 1 : 0) + (flags & PRIORITY ? 5 : 0);
        note(pathOf(input, begin, end));
      } else if (type === DATA) taken += end - at - 9;
      else if (type === SETTINGS && !(flags & ACK)) control.push(frame(SETTINGS, ACK, 0, Buffer.alloc(0)));
      else if (type === PING && !(flags & ACK)) control.push(frame(PING, ACK, 0, input.subarray(at + 9, end)));
      if ((type === DATA || type === HEADERS) && flags & END_STREAM) accepted.push(stream);
      at = end;
    }
    held = at < input.length ? Buffer.from(input.subarray(at)) : Buffer.alloc(0);
    if (taken > WINDOW / 2) {
      control.push(frame(WINDOW_UPDATE, 0, 0, number32(taken)));
      taken = 0;
    }
    if (control.length) socket.write(Buffer.concat(control.splice(0)));
    if (accepted.length) socket.write(acceptances(accepted.splice(0)));
  });
}

// Walks over the fields of a header block up to the path, which clients never index: name 4 of the static table.
function pathOf(block, at, end) {
  let value = 0;
  const integer = (bits) => {
    const most = (1 << bits) - 1;
    value = block[at++] & most;
    if (value < most) return value;
    for (let shift = 0; ; shift += 7) {
      const octet = block[at++];
      value += (octet & 127) << shift;
      if (octet < 128) return value;
    }
  };
  while (at < end) {
    const first = block[at];
    if (first & 0x80) integer(7); // an indexed field
    else if ((first & 0xe0) === 0x20) integer(5); // the size of the table
    else {
      const name = integer(first & 0x40 ? 6 : 4);
      if (name === 0) at += integer(7);
      const isHuffman = block[at] & 0x80;
      const length = integer(7);
      if (name === 4) return isHuffman ? huffman(block, at, at + length) : block.toString("latin1", at, at + length);
      at += length;
    }
  }
  return "";
}

const FIVE_BITS = "012aceiost"; // RFC 7541, appendix B: what the paths that we note begin with has 5 or 6 bits
const SIX_BITS = " %-./3456789=A_bdfghlmnpru"; // from 010100

// The text up to the first dash, or to a character that is none of these.
function huffman(block, at, end) {
  let [found, bits, have] = ["", 0, 0];
  for (;;) {
    while (have < 6 && at < end) [bits, have] = [(bits << 8) | block[at++], have + 8];
    if (have < 6) return found;
    const six = (bits >> (have - 6)) & 63;
    const character = six < 20 ? FIVE_BITS[six >> 1] : SIX_BITS[six - 20];
    if (character === undefined || character === "-") return found;
    found += character;
    have -= six < 20 ? 5 : 6;
    bits &= (1 << have) - 1;
  }
}

// --- HTTP/1.1 ------------------------------------------------------------------------------------------------------

const http1 = createHttpServer((request, response) => {
  request.resume();
  request.on("end", () => {
    if (request.url === "/notes") return response.end(notes());
    if (request.url === "/forget") forget();
    response.writeHead(201, { ...headers, "content-length": "0" });
    response.end();
  });
});

const server = createTlsServer({
  key: readFileSync(keyFile),
  cert: readFileSync(certificateFile),
  ALPNProtocols: ["h2", "http/1.1"],
});
server.on("secureConnection", (socket) => {
  if (socket.alpnProtocol === "h2") speakHttp2(socket);
  else http1.emit("connection", socket);
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
