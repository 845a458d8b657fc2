// Bare `ws`: no authentication, no rooms; each message is encoded once and sent to every socket.

import { createServer } from "node:http";
import { WebSocketServer } from "ws";
import { CHANNEL, EVENT, control } from "./control.js";

const http = createServer();
const sockets = new WebSocketServer({ server: http, path: "/ws", perMessageDeflate: false });

function publish(count) {
  for (let n = 0; n < count; n += 1) {
    const message = Buffer.from(JSON.stringify({ event: "screen.status", channel: CHANNEL, data: EVENT }));
    for (const socket of sockets.clients) socket.send(message, { binary: false });
  }
}

http.listen(0, "127.0.0.1", () => control(http.address().port, publish));
