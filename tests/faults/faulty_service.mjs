// A push service that fails on command: HTTP/2 over TLS; POST /…/{number}-… comes from the device of that number.
// node faulty_service.mjs KEY CERT OPTIONS; writes its port to standard output and ends with its standard input.
// OPTIONS (JSON): delay_ms; kinds: what happens to each device by its number, in turn; shares: {kind: part of all
// answers}, by chance; seed; times: each device fails so often and then no more (0: without end); hold_after: what is
// posted after so many posts gets no answer before GET /release over HTTP/1.1.
// Kinds: a status, "throttled" (429, come back in a second), "moved" (a redirect), "rst" (RST_STREAM), "refused" (the
// same: not looked at), "hang" (this stream), "goaway" (answers, then GOAWAY), "reset" (the whole connection), "huge"
// (3 MB), "endless" (a body without end), "early" (an interim answer first). GET /notes over HTTP/1.1 tells all.
import { readFileSync } from "node:fs";
import { constants, createSecureServer } from "node:http2";

const [keyFile, certificateFile, optionsText] = process.argv.slice(2);
const { delay_ms = 0, kinds = [], shares = {}, seed = 1, times = 0, hold_after = Infinity } = JSON.parse(optionsText ?? "{}");
const chances = Object.entries(shares);
const server = createSecureServer({
  key: readFileSync(keyFile),
  cert: readFileSync(certificateFile),
  allowHTTP1: true,
  settings: { maxConcurrentStreams: 250 },
});
let calls = new Uint8Array(1 << 16);
let posts = 0;
let last = 0;
let held = [];
const answered = {};
const elsewhere = [];

let state = seed;
function chance() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 4294967296;
}

function kindFor(number) {
  if (kinds.length) return times && calls[number] > times ? "201" : kinds[number % kinds.length];
  let left = chance();
  for (const [kind, share] of chances) if ((left -= share) < 0) return kind;
  return "201";
}

function note(number) {
  posts += 1;
  last = Date.now() / 1000;
  if (number >= calls.length) {
    const longer = new Uint8Array(Math.max(number + 1, 2 * calls.length));
    longer.set(calls);
    calls = longer;
  }
  if (calls[number] < 255) calls[number] += 1;
}

function answer(stream, kind) {
  if (stream.destroyed) return;
  answered[kind] = (answered[kind] ?? 0) + 1;
  if (kind === "hang") return;
  if (kind === "rst") return stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  if (kind === "refused") return stream.close(constants.NGHTTP2_REFUSED_STREAM);
  if (kind === "reset") return stream.session.destroy();
  if (kind === "throttled") return stream.respond({ ":status": 429, "retry-after": "1" }, { endStream: true });
  if (kind === "moved") return stream.respond({ ":status": 307, location: "/elsewhere" }, { endStream: true });
  if (kind === "early") stream.additionalHeaders({ ":status": 103, link: "<x>; rel=x" });
  if (kind === "huge" || kind === "endless") {
    stream.respond({ ":status": kind === "huge" ? 400 : 201 });
    let left = kind === "huge" ? 192 : Infinity;
    const fill = () => {
      while (left-- > 0 && !stream.destroyed && stream.write("x".repeat(16384)));
      if (left <= 0) stream.end();
    };
    stream.on("drain", fill);
    return fill();
  }
  stream.respond({ ":status": parseInt(kind, 10) || 201, location: "/m/1", ttl: "60" }, { endStream: true });
  if (kind === "goaway") {
    const session = stream.session;
    session.last ??= session.newest; // what comes after it is not looked at, as the client is told
    session.goaway(constants.NGHTTP2_NO_ERROR, session.last);
  }
}

server.on("session", (session) => session.on("error", () => session.destroy()));
server.on("sessionError", () => {});
server.on("stream", (stream, headers) => {
  stream.on("error", () => {});
  const number = parseInt(headers[":path"].split("/").pop(), 10);
  if (Number.isNaN(number)) {
    elsewhere.push(headers[":path"]);
    return stream.respond({ ":status": 201 }, { endStream: true });
  }
  if (stream.id > (stream.session.last ?? Infinity)) return;
  note(number);
  stream.session.newest = Math.max(stream.session.newest ?? 0, stream.id);
  const kind = kindFor(number);
  stream.resume();
  const act = () => (delay_ms ? setTimeout(answer, delay_ms, stream, kind) : answer(stream, kind));
  const holds = held && posts > hold_after;
  stream.on("end", () => (holds && held ? held.push(act) : act()));
});
server.on("request", (request, response) => {
  if (request.httpVersionMajor === 2) return;
  if (request.url === "/release" && held) {
    for (const act of held) act();
    held = null;
  }
  let [devices, doubled] = [0, 0];
  for (const n of calls) {
    if (n) devices += 1;
    if (n > 1) doubled += n - 1;
  }
  const most = calls.reduce((a, b) => Math.max(a, b), 0);
  response.end(JSON.stringify({ posts, devices, doubled, most, last, answered, elsewhere, first: [...calls.slice(0, 100)] }));
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
