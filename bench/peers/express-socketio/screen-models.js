// Screens, playlists, emergencies and workspaces, with the indexes that their queries want.
// Ids are strings: the benchmarks copy the documents of the server that this one is measured beside.

import mongoose from "mongoose";

const { Schema } = mongoose;
const { Mixed } = Schema.Types;
const options = { versionKey: false, minimize: false };
const names = { locale: "en", strength: 2 };

const workspace = new Schema({ _id: String, name: String, members: [Mixed] }, options);
workspace.index({ "members.userId": 1 });
export const Workspace = mongoose.model("Workspace", workspace);

const screen = new Schema(
  {
    _id: String,
    workspaceId: String,
    name: String,
    location: String,
    tags: [String],
    orientation: { type: String, enum: ["landscape", "portrait"] },
    resolution: Mixed,
    timezone: String,
    playlistId: String,
    volume: Number,
    status: { type: String, enum: ["connecting", "online", "offline", "error"] },
    statusReason: String,
    lastSeenAt: Date,
    revision: String,
    appliedRevision: String,
    inSync: Boolean,
    nowPlaying: Mixed,
    player: Mixed,
    pairedAt: Date,
    createdAt: Date,
    version: Number,
  },
  options,
);
screen.index({ workspaceId: 1, name: 1, _id: 1 }, { collation: names });
for (const field of ["status", "lastSeenAt", "createdAt"]) screen.index({ workspaceId: 1, [field]: 1, _id: 1 });
screen.index({ workspaceId: 1, inSync: 1 });
screen.index({ workspaceId: 1, tags: 1 });
screen.index({ playlistId: 1 });
export const Screen = mongoose.model("Screen", screen);

const playlist = new Schema(
  { _id: String, workspaceId: String, name: String, digest: String, items: [Mixed], version: Number },
  options,
);
export const Playlist = mongoose.model("Playlist", playlist);

const emergency = new Schema(
  { _id: String, workspaceId: String, title: String, level: String, digest: String, endedAt: Date, expiresAt: Date },
  options,
);
emergency.index({ endedAt: 1, workspaceId: 1 });
export const Emergency = mongoose.model("Emergency", emergency);
