// A push service that takes everything: HTTP/2 and HTTP/1.1 over TLS, 201 for every POST, nothing kept.
// node sink.mjs KEY CERT; writes its port to standard output and ends with its standard input.
import { readFileSync } from "node:fs";
import { createSecureServer } from "node:http2";

const [keyFile, certificateFile] = process.argv.slice(2);
const headers = { location: "https://localhost/m/1", ttl: "3600" };
const server = createSecureServer({ key: readFileSync(keyFile), cert: readFileSync(certificateFile), allowHTTP1: true });

server.on("stream", (stream) => {
  stream.on("error", () => stream.destroy());
  stream.resume();
  stream.on("end", () => stream.respond({ ":status": 201, ...headers }, { endStream: true }));
});

server.on("request", (request, response) => {
  if (request.httpVersionMajor === 2) return;
  request.resume();
  request.on("end", () => {
    response.writeHead(201, { ...headers, "content-length": "0" });
    response.end();
  });
});

server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
