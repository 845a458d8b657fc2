// The control line that bench/fanout.py speaks: "publish N" and "usage" (CPU seconds and resident bytes).

import net from "node:net";

export function control(port, publish, token = "") {
  const server = net.createServer((line) => {
    line.setEncoding("utf8");
    line.on("data", (text) => {
      for (const order of text.trim().split("\n")) {
        const [word, count] = order.split(" ");
        if (word === "publish") publish(Number(count));
        if (word === "usage") {
          const { user, system } = process.cpuUsage();
          line.write(`${(user + system) / 1e6} ${process.memoryUsage.rss()}\n`);
        }
      }
    });
    line.on("error", () => {});
  });
  server.listen(0, "127.0.0.1", () => console.log(`${port} ${server.address().port} ${token}`.trim()));
}

export const CHANNEL = "workspace:64f0c0ffee64f0c0ffee64f1";
export const EVENT = { screenId: "64f0c0ffee64f0c0ffee64f0", status: "online", reason: null, lastSeenAt: "x".repeat(30) };
