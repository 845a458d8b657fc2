// Socket.IO 4, websocket transport only, no compression: everybody joins one room, events go to the room.

import { createServer } from "node:http";
import { Server } from "socket.io";
import { CHANNEL, EVENT, control } from "./control.js";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });

io.on("connection", (socket) => socket.join(CHANNEL));

function publish(count) {
  for (let n = 0; n < count; n += 1) io.to(CHANNEL).emit("screen.status", { channel: CHANNEL, data: EVENT });
}

http.listen(0, "127.0.0.1", () => control(http.address().port, publish));
