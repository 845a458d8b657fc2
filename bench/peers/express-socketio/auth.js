// Who asks: the JWT of every call and of every socket's handshake (HS256, `sub` is the user's or screen's id).

import jwt from "jsonwebtoken";

const SECRET = process.env.PEER_JWT_SECRET;
const RULES = { algorithms: ["HS256"], issuer: "peer", audience: "peer" };

export function sign(subject) {
  return jwt.sign({}, SECRET, { subject, issuer: "peer", audience: "peer", expiresIn: "15m" });
}

function bearer(headers) {
  const [kind, token] = (headers.authorization ?? "").split(" ");
  return kind === "Bearer" ? token : undefined;
}

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export function authenticate(request, _response, next) {
  try {
    request.userId = jwt.verify(bearer(request.headers), SECRET, RULES).sub;
    next();
  } catch {
    next(new Refused(401, "unauthenticated"));
  }
}

export function authenticateSocket(socket, next) {
  try {
    const claims = jwt.verify(socket.handshake.auth.token ?? bearer(socket.handshake.headers), SECRET, RULES);
    Object.assign(socket.data, { userId: claims.sub, expiresAt: claims.exp * 1000 });
    next();
  } catch {
    next(new Refused(401, "unauthenticated"));
  }
}
