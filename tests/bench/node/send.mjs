// node web-push against the sink: node send.mjs PACKAGES JOB, where JOB is a file of {subscriptions, payload, ttl,
// subject, publicKey, privateKey}. Each line "plain N" or "cached N" on standard input sends to the first N and answers
// {"wall": seconds, "cpu": seconds} on a line of standard output.
import { readFileSync } from "node:fs";
import { Agent } from "node:https";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [packages, job] = process.argv.slice(2);
const webPush = createRequire(packages)("web-push");
const { subscriptions, payload, ttl, subject, publicKey, privateKey } = JSON.parse(readFileSync(job, "utf8"));
const agent = new Agent({ keepAlive: true, maxSockets: 50 });

const signed = { TTL: ttl, agent, timeout: 15000, vapidDetails: { subject, publicKey, privateKey } };
const tokens = new Map();

function cached(endpoint) {
  const { origin } = new URL(endpoint);
  if (!tokens.has(origin)) {
    tokens.set(origin, webPush.getVapidHeaders(origin, subject, publicKey, privateKey, "aes128gcm").Authorization);
  }
  return { TTL: ttl, agent, timeout: 15000, vapidDetails: null, headers: { Authorization: tokens.get(origin) } };
}

async function send(how, count) {
  let next = 0;
  const work = async () => {
    while (next < count) {
      const subscription = subscriptions[next++];
      const options = how === "cached" ? cached(subscription.endpoint) : signed;
      const { statusCode } = await webPush.sendNotification(subscription, payload, options);
      if (statusCode !== 201) throw new Error(`the sink answered ${statusCode}`);
    }
  };
  await Promise.all(Array.from({ length: 50 }, work));
}

for await (const line of createInterface({ input: process.stdin })) {
  const [how, count] = line.split(" ");
  const [cpu, wall] = [process.cpuUsage(), performance.now()];
  await send(how, Number(count));
  const { user, system } = process.cpuUsage(cpu);
  process.stdout.write(`${JSON.stringify({ wall: (performance.now() - wall) / 1000, cpu: (user + system) / 1e6 })}\n`);
}
process.exit(0);
