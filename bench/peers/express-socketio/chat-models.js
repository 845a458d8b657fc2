// People, rooms, members and messages.

import mongoose from "mongoose";

const { Schema } = mongoose;
const { ObjectId } = Schema.Types;
const options = { versionKey: false, minimize: false };

const user = new Schema({ username: String, displayName: String, avatarUrl: { type: String, default: null } }, options);
user.index({ username: 1 }, { unique: true });
export const User = mongoose.model("User", user);

const room = new Schema(
  {
    name: String,
    type: { type: String, enum: ["public", "private"], default: "public" },
    offset: { type: Number, default: 0 }, // counts the room's changes
    lastSeq: { type: Number, default: 0 }, // counts its messages
  },
  options,
);
room.index({ name: 1 }, { unique: true });
export const Room = mongoose.model("Room", room);

const member = new Schema(
  {
    room: { type: ObjectId, ref: "Room", required: true },
    user: { type: ObjectId, ref: "User", required: true },
    role: { type: String, default: "member" },
    mutedUntil: { type: Date, default: null },
    lastReadSeq: { type: Number, default: 0 },
  },
  options,
);
member.index({ room: 1, user: 1 }, { unique: true });
member.index({ user: 1 });
export const Member = mongoose.model("Member", member);

const reaction = new Schema({ emoji: String, userIds: [String] }, { _id: false });
const message = new Schema(
  {
    room: { type: ObjectId, ref: "Room", required: true },
    seq: { type: Number, required: true },
    rev: { type: Number, required: true },
    author: { type: ObjectId, ref: "User", required: true },
    content: { type: String, required: true, maxlength: 4000 },
    mentions: [String],
    attachments: [{ type: ObjectId, ref: "File" }],
    replyTo: { type: ObjectId, ref: "Message", default: null },
    replyCount: { type: Number, default: 0 },
    reactions: [reaction],
    pinned: { type: Boolean, default: false },
    editedAt: { type: Date, default: null },
    deleted: { type: Boolean, default: false },
    createdAt: { type: Date, default: Date.now },
    clientId: { type: String, default: null, maxlength: 64 },
  },
  options,
);
message.index({ room: 1, seq: 1 }, { unique: true });
message.index({ room: 1, rev: 1 });
message.index(
  { room: 1, author: 1, clientId: 1 },
  { unique: true, partialFilterExpression: { clientId: { $type: "string" } } },
);
export const Message = mongoose.model("Message", message);
