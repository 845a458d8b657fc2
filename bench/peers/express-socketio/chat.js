// The chat: history over HTTP; sending, subscribing and resuming over sockets.

import mongoose from "mongoose";
import { Refused } from "./auth.js";
import { Member, Message, Room, User } from "./chat-models.js";

const MOST_MISSED = 1000;
const CARD = "username displayName avatarUrl";
const card = (user) => ({
  id: user._id,
  username: user.username,
  displayName: user.displayName,
  avatarUrl: user.avatarUrl,
});

function shown(message, room, author = message.author) {
  const { _id: id, seq, rev } = message;
  if (message.deleted) return { id, room: room.name, roomId: room._id, seq, rev, deleted: true };
  const parent = message.replyTo;
  return {
    id,
    room: room.name,
    roomId: room._id,
    seq,
    rev,
    author: card(author),
    content: message.content,
    mentions: message.mentions,
    attachments: message.attachments,
    replyTo: parent && {
      id: parent._id,
      seq: parent.seq,
      excerpt: parent.deleted ? null : parent.content.slice(0, 140),
      author: parent.deleted ? null : card(parent.author),
    },
    replyCount: message.replyCount,
    reactions: message.reactions,
    pinned: message.pinned,
    editedAt: message.editedAt,
    deleted: false,
    createdAt: message.createdAt,
    clientId: message.clientId,
  };
}

const dressed = (query) =>
  query
    .populate("author", CARD)
    .populate({ path: "replyTo", select: "seq content deleted author", populate: { path: "author", select: CARD } })
    .lean();

async function readable(idOrName, userId) {
  const query = mongoose.isObjectIdOrHexString(idOrName) ? { _id: idOrName } : { name: idOrName };
  const room = await Room.findOne(query).lean();
  if (!room) throw new Refused(404, "not_found");
  if (room.type !== "public" && !(await Member.exists({ room: room._id, user: userId }))) {
    throw new Refused(404, "not_found");
  }
  return room;
}

export function routes(app) {
  app.get("/api/messages", async (request, response) => {
    const limit = Number(request.query.limit ?? 50);
    const before = request.query.before === undefined ? undefined : Number(request.query.before);
    if (!(limit >= 1 && limit <= 100) || Number.isNaN(before)) throw new Refused(422, "invalid");
    const room = await readable(request.query.room, request.userId);
    const query = before === undefined ? { room: room._id } : { room: room._id, seq: { $lt: before } };
    const found = await dressed(Message.find(query).sort({ seq: -1 }).limit(limit + 1));
    const items = found.slice(0, limit).reverse();
    const next = found.length > limit ? `before.${items[0].seq}` : null;
    response.set("Cache-Control", "no-store");
    response.json({ items: items.map((message) => shown(message, room)), next, offset: room.offset });
  });
}

// Write one message and return it as it is shown; the same clientId again is the first one.
async function send({ room: roomId, content, clientId }, author) {
  if (typeof content !== "string" || !content.trim() || content.length > 4000) throw new Refused(422, "invalid");
  if (typeof clientId !== "string" || !mongoose.isObjectIdOrHexString(roomId)) throw new Refused(422, "invalid");
  const member = await Member.findOne({ room: roomId, user: author._id }).lean();
  if (!member) throw new Refused(403, "forbidden");
  if (member.mutedUntil > new Date()) throw new Refused(403, "muted");
  const counters = { $inc: { lastSeq: 1, offset: 1 } };
  const room = await Room.findByIdAndUpdate(roomId, counters, { returnDocument: "after" }).lean();
  try {
    const draft = { room: roomId, seq: room.lastSeq, rev: room.offset, author: author._id, content, clientId };
    return [shown(await Message.create(draft), room, author), true];
  } catch (error) {
    if (error.code !== 11000) throw error;
    return [shown(await dressed(Message.findOne({ room: roomId, author: author._id, clientId })), room), false];
  }
}

async function subscribe(socket, { rooms }) {
  const answer = [];
  for (const { room: idOrName, after } of rooms) {
    const room = await readable(idOrName, socket.data.userId);
    socket.join(`room:${room._id}`);
    const missed = { room: room._id, rev: { $gt: after } };
    const found = after === undefined ? [] : await dressed(Message.find(missed).sort({ rev: 1 }).limit(MOST_MISSED));
    answer.push({ roomId: room._id, offset: room.offset, messages: found.map((message) => shown(message, room)) });
  }
  return { rooms: answer };
}

export function listen(socket, io) {
  const author = User.findById(socket.data.userId, CARD).lean().exec();
  const answered = (work) => async (data, ack) => {
    try {
      if (socket.data.expiresAt < Date.now()) throw new Refused(401, "token_expired");
      ack?.({ ok: true, data: await work(data) });
    } catch (error) {
      if (!error.status) console.error(error);
      ack?.({ ok: false, error: { status: error.status ?? 500, detail: error.message } });
    }
  };
  socket.on("message.send", answered(async (data) => {
    const [message, isNew] = await send(data, await author);
    if (isNew) io.to(`room:${message.roomId}`).emit("message.created", message);
    return message;
  }));
  socket.on("room.subscribe", answered((data) => subscribe(socket, data)));
}
