// A push service that speaks HTTP/2 over TLS only. node http2_server.mjs KEY CERT; ends with its standard input.
// Paths: /201, /hang (this stream alone), /rst (RST_STREAM), /refused (the same: not looked at), /goaway (answers, then
// GOAWAY), /huge (an endless body), /deaf (this connection never answers anything again), /count (what it has seen, as
// headers).
import { readFileSync } from "node:fs";
import { constants, createSecureServer } from "node:http2";

const [keyFile, certificateFile] = process.argv.slice(2);
const server = createSecureServer({
  key: readFileSync(keyFile),
  cert: readFileSync(certificateFile),
  settings: { maxConcurrentStreams: 100 },
});
let sessions = 0;
let busy = 0;
let busiest = 0;

function answer(stream, path, session) {
  if (stream.destroyed) return;
  if (path.startsWith("/deaf")) session.deaf = true;
  if (session.deaf || path.startsWith("/hang")) return;
  if (path.startsWith("/rst")) return stream.close(constants.NGHTTP2_INTERNAL_ERROR);
  if (path.startsWith("/refused")) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
  if (path.startsWith("/huge")) {
    stream.respond({ ":status": 413 });
    const fill = () => {
      while (!stream.destroyed && stream.write("x".repeat(16384)));
    };
    stream.on("drain", fill);
    return fill();
  }
  stream.respond({ ":status": 201, "x-sessions": `${sessions}`, "x-busiest": `${busiest}` }, { endStream: true });
  if (path.startsWith("/goaway")) session.goaway();
}

server.on("session", (session) => {
  sessions += 1;
  session.on("error", () => session.destroy());
});
server.on("stream", (stream, headers) => {
  busy += 1;
  busiest = Math.max(busiest, busy);
  stream.on("error", () => {});
  stream.on("close", () => (busy -= 1));
  stream.resume();
  stream.on("end", () => setTimeout(answer, 20, stream, headers[":path"], stream.session));
});
server.on("sessionError", () => {});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
