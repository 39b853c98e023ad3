// A push service that takes everything: HTTP/2 and HTTP/1.1 over TLS, 201 for every POST.
// node sink.mjs KEY CERT; writes its port to standard output and ends with its standard input.
// Calls over HTTP/2 of /counted/{number}-… are counted by number, of /timed/{number}-… the times are kept; GET /notes
// tells, POST /forget begins anew.
import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";

const [keyFile, certificateFile] = process.argv.slice(2);
const headers = { location: "https://localhost/m/1", ttl: "3600" };
const server = createSecureServer({ key: readFileSync(keyFile), cert: readFileSync(certificateFile), allowHTTP1: true });

let calls, timed, posts, firstAt;
const forget = () => {
  [calls, timed, posts, firstAt] = [new Uint8Array(1 << 16), [], 0, null];
};
forget();

const now = () => (performance.timeOrigin + performance.now()) / 1000; // Unix seconds

function note(path) {
  if (path.startsWith("/timed/")) timed.push([parseInt(path.slice(7), 10), now()]);
  else if (path.startsWith("/counted/")) {
    posts += 1;
    firstAt ??= now();
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
  return JSON.stringify({ posts, devices, doubled, first_at: firstAt, timed });
}

server.on("stream", (stream, asked) => {
  stream.on("error", () => stream.destroy());
  note(asked[":path"]);
  stream.resume();
  stream.on("end", () => stream.respond({ ":status": 201, ...headers }, { endStream: true }));
});

server.on("request", (request, response) => {
  if (request.httpVersionMajor === 2) return;
  request.resume();
  request.on("end", () => {
    if (request.url === "/notes") return response.end(notes());
    if (request.url === "/forget") forget();
    response.writeHead(201, { ...headers, "content-length": "0" });
    response.end();
  });
});

server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
