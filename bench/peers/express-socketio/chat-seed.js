// Fills the peer's store: `node chat-seed.js '{"people": 32, "rooms": 32, "messages": 200}'`. Everybody is in every room.
// Prints {"tokens": [...], "rooms": [ids]}; the first room is `general`.

import mongoose from "mongoose";
import { sign } from "./auth.js";
import { Member, Message, Room, User } from "./chat-models.js";
import { openStore } from "./store.js";

const { people, rooms: count, messages } = JSON.parse(process.argv[2]);
const range = (length) => [...Array(length).keys()];

await openStore();
await Promise.all([User, Room, Member, Message].map((model) => model.deleteMany({})));
const users = await User.insertMany(
  range(people).map((n) => ({ username: `person${n}`, displayName: `Person ${n}` })),
);
const names = range(count).map((n) => (n ? `room-${n}` : "general"));
const rooms = await Room.insertMany(names.map((name) => ({ name, offset: messages, lastSeq: messages })));
for (const room of rooms) {
  await Member.insertMany(users.map((user) => ({ room: room._id, user: user._id })));
  await Message.insertMany(
    range(messages).map((n) => ({
      room: room._id,
      seq: n + 1,
      rev: n + 1,
      author: users[n % Math.min(people, 20)]._id,
      content: `Message ${n + 1} of a room in which people have been talking for a while about this and that.`,
      clientId: `seed-${n}`,
    })),
  );
}
console.log(JSON.stringify({ tokens: users.map((user) => sign(user.id)), rooms: rooms.map((room) => room.id) }));
await mongoose.disconnect();
