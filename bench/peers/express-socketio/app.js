// The peer: Express, Socket.IO with its Redis adapter, Mongoose with `w: majority`, a JWT verified on every call.
// One process; its first line on standard output is its port. Settings come from the environment (store.js, auth.js).

import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import express from "express";
import { createClient } from "redis";
import { Server } from "socket.io";
import { authenticate, authenticateSocket } from "./auth.js";
import * as chat from "./chat.js";
import * as screens from "./screens.js";
import { openStore } from "./store.js";

const features = [chat, screens]; // each: routes(app, io), and where it speaks over sockets listen(socket, io)

await openStore();
const redis = createClient({ url: process.env.PEER_REDIS_URL });
const listener = redis.duplicate();
await Promise.all([redis.connect(), listener.connect()]);

const app = express();
app.disable("x-powered-by");
app.set("etag", false); // hashing every answer is of no use to answers that nobody may keep
app.use("/api", express.json({ limit: "256kb" }), authenticate);

const http = createServer(app);
const io = new Server(http, {
  adapter: createAdapter(redis, listener),
  transports: ["websocket"],
  perMessageDeflate: false,
  serveClient: false,
});
io.use(authenticateSocket);
for (const feature of features) feature.routes(app, io);
io.on("connection", (socket) => features.forEach((feature) => feature.listen?.(socket, io)));

app.get("/healthz", (_request, response) => response.json({ status: "ok" }));
app.use((error, _request, response, _next) => {
  const status = error.status ?? 500;
  if (status >= 500) console.error(error);
  response.status(status).json({ status, detail: error.message });
});

http.listen(Number(process.env.PEER_PORT ?? 0), "127.0.0.1", 4096, () => console.log(http.address().port));

// For bench/chat_memory.py, which starts node with --expose-gc and asks before it looks at the memory.
process.on("SIGUSR2", () => globalThis.gc?.());
