// GET /api/screens and GET /api/display/manifest, with lean reads.

import { createHash, createHmac } from "node:crypto";
import { Refused } from "./auth.js";
import { Emergency, Playlist, Screen, Workspace } from "./screen-models.js";

const SORTS = ["name", "status", "lastSeenAt", "createdAt"];
const STATUSES = ["connecting", "online", "offline", "error"];
const NAMES = { locale: "en", strength: 2 };
const WINDOW_SECONDS = 7 * 86_400;
const SHOWN = [
  "workspaceId", "name", "location", "tags", "orientation", "resolution", "timezone", "playlistId", "volume", "status",
  "statusReason", "lastSeenAt", "revision", "appliedRevision", "inSync", "nowPlaying", "player", "pairedAt",
  "createdAt", "version",
]; // prettier-ignore

function listing({ limit = "50", cursor, sort = "name", status, tag, inSync, ...others }) {
  const size = Number(limit);
  const wrong = Object.keys(others)[0];
  if (wrong) throw new Refused(422, `${wrong} is unknown`);
  if (!(Number.isInteger(size) && size >= 1 && size <= 100)) throw new Refused(422, "limit must be from 1 to 100");
  if (!SORTS.includes(sort.replace(/^-/, ""))) throw new Refused(422, "sort is not one of the list's");
  if (status !== undefined && !STATUSES.includes(status)) throw new Refused(422, "status is unknown");
  const filters = {
    ...(status && { status }),
    ...(tag && { tags: tag }),
    ...(inSync && { inSync: inSync === "true" }),
  };
  return { size, cursor, sort, filters };
}

function after(cursor, sort, field, direction) {
  const [madeFor, value, id] = JSON.parse(Buffer.from(cursor, "base64url").toString());
  if (madeFor !== sort) throw new Refused(422, "cursor belongs to another order");
  const beyond = direction > 0 ? "$gt" : "$lt";
  return { $or: [{ [field]: { [beyond]: value } }, { [field]: value, _id: { [beyond]: id } }] };
}

function shown(screen) {
  const out = { id: screen._id };
  for (const name of SHOWN) out[name] = screen[name];
  return out;
}

async function list(request, response) {
  const { size, cursor, sort, filters } = listing(request.query);
  const mine = await Workspace.find({ "members.userId": request.userId }, { _id: 1 }).lean();
  const query = { workspaceId: { $in: mine.map((each) => each._id) }, ...filters };
  const field = sort.replace(/^-/, "");
  const direction = sort.startsWith("-") ? -1 : 1;
  const page = Screen.find(cursor ? { $and: [query, after(cursor, sort, field, direction)] } : query)
    .sort({ [field]: direction, _id: direction })
    .limit(size + 1)
    .lean();
  if (field === "name") page.collation(NAMES);
  const [found, total] = await Promise.all([page, Screen.countDocuments(query)]);
  const items = found.slice(0, size);
  const last = items.at(-1);
  const next = found.length > size ? JSON.stringify([sort, last[field], last._id]) : null;
  response.json({ items: items.map(shown), next: next && Buffer.from(next).toString("base64url"), total });
}

function signed(media, window) {
  const path = `/media/${media.sha256}.${media.ext}`;
  const mac = createHmac("sha256", process.env.PEER_JWT_SECRET).update(`${path}${window}`).digest("base64url");
  return `${path}?exp=${window}&sig=${mac}`;
}

function item({ media, id, mediaId, durationMs, transition, fit }, window) {
  const { type, sha256, bytes, contentType, width, height } = media;
  const played = durationMs ?? media.durationMs ?? 10_000;
  const url = signed(media, window);
  return { id, mediaId, type, url, sha256, bytes, contentType, width, height, durationMs: played, transition, fit };
}

function revisionOf(screen, playlist, emergency) {
  const { orientation, volume, timezone } = screen;
  const content = [orientation, volume, timezone, playlist?.digest ?? null, emergency?.digest ?? null];
  return createHash("sha256").update(JSON.stringify(content)).digest("hex").slice(0, 24);
}

function running(screen) {
  return Emergency.findOne({ workspaceId: screen.workspaceId, endedAt: null }).sort({ startedAt: -1 }).lean();
}

async function manifest(request, response) {
  const screen = await Screen.findById(request.userId).lean();
  if (!screen) throw new Refused(401, "this screen is gone");
  const window = (Math.floor(Date.now() / 1000 / WINDOW_SECONDS) + 2) * WINDOW_SECONDS;
  response.set("Cache-Control", "no-cache");
  const held = request.headers["if-none-match"];
  const asked = held ? { digest: 1 } : undefined;
  let [playlist, emergency] = await Promise.all([Playlist.findById(screen.playlistId, asked).lean(), running(screen)]);
  const revision = revisionOf(screen, playlist, emergency);
  const tag = `"${revision}.${window}"`;
  response.set("ETag", tag);
  if (held === tag) return response.status(304).end();
  if (asked) playlist = await Playlist.findById(screen.playlistId).lean();
  const { _id, name, timezone, orientation, volume } = screen;
  return response.json({
    screenId: _id,
    name,
    revision,
    generatedAt: new Date(),
    timezone,
    orientation,
    volume,
    emergency,
    playlist: playlist && {
      id: playlist._id,
      name: playlist.name,
      version: playlist.version,
      items: playlist.items.map((each) => item(each, window)),
    },
  });
}

export function routes(app) {
  app.get("/api/screens", list);
  app.get("/api/display/manifest", manifest);
}
