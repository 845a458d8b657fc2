/** The REST client: JSON in and out, problems as errors, one refresh for many callers, safe retries. */

import { Backoff, sleep } from "./backoff.js";

/** A refusal by the server (RFC 9457): `code` is for programs, `detail` for people. */
export class Problem extends Error {
  constructor({ status, code, detail, errors = null, retryAfterMs = null, requestId = null, body = null }) {
    super(detail || code);
    this.name = "Problem";
    Object.assign(this, { status, code, detail, errors, retryAfterMs, requestId, body });
  }

  /** Whether the server itself refuses the credential; a proxy's or a hotel's login page is not to be believed. */
  get unauthenticated() {
    return this.status === 401 && this.code !== null;
  }

  /** Whether the same call may well succeed a little later. */
  get temporary() {
    return this.status === 429 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** No answer: the network, the server or the connection is away. What was asked may or may not have happened. */
export class Unreachable extends Error {
  constructor(message, cause = undefined) {
    super(message, { cause });
    this.name = "Unreachable";
  }
}

/**
 * Calls the API of one server.
 *
 * `credentials` is `{token(): string | null, refresh?(): Promise<boolean>}`. On a 401 of an authenticated call
 * `refresh` runs once, however many calls wait for it, and each of them repeats once when it gave a new token.
 */
export class Api {
  #refreshing = null;

  constructor({ base = "", credentials = null, timeoutMs = 15_000 } = {}) {
    this.base = base;
    this.credentials = credentials;
    this.timeoutMs = timeoutMs;
  }

  get(path, options = {}) {
    return this.call("GET", path, options);
  }

  post(path, body = {}, options = {}) {
    return this.call("POST", path, { ...options, body });
  }

  put(path, body, options = {}) {
    return this.call("PUT", path, { ...options, body });
  }

  patch(path, body, options = {}) {
    return this.call("PATCH", path, { ...options, body });
  }

  delete(path, options = {}) {
    return this.call("DELETE", path, options);
  }

  /**
   * Make one call and return `{status, data, etag, headers, sentAt, receivedAt}`; the two times are of
   * `performance.now()`. 304 is an answer like another. Raises Problem or Unreachable.
   *
   * Options: `body` (an object, or a Blob or FormData that goes out as it is), `headers`, `signal`, `timeoutMs`,
   * and `retries`: how often to repeat after no answer or a temporary refusal. A POST that retries needs an
   * `idempotencyKey`.
   */
  async call(method, path, { retries = 0, ...options } = {}) {
    const backoff = new Backoff();
    for (let left = retries; ; left -= 1) {
      try {
        return await this.#authenticated(method, path, options);
      } catch (error) {
        const again = error instanceof Unreachable || (error instanceof Problem && error.temporary);
        if (!again || left <= 0 || options.signal?.aborted) throw error;
        await sleep(Math.max(error.retryAfterMs ?? 0, backoff.next()), options.signal);
      }
    }
  }

  async #authenticated(method, path, options) {
    const token = this.credentials?.token() ?? null;
    try {
      return await this.#once(method, path, options, token);
    } catch (error) {
      const stale = error.unauthenticated && error.code !== "invalid_credentials";
      if (!stale || token === null || !this.credentials.refresh) throw error;
      if (!(await this.#refresh(token))) throw error;
      return this.#once(method, path, options, this.credentials.token());
    }
  }

  /** Get a token other than `used`; whoever comes while one is on its way waits for the same. */
  async #refresh(used) {
    if (this.credentials.token() !== used) return true;
    this.#refreshing ??= this.credentials.refresh().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #once(method, path, options, token) {
    const timeout = AbortSignal.timeout(options.timeoutMs ?? this.timeoutMs);
    const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
    const sentAt = performance.now();
    try {
      const response = await fetch(this.base + path, { method, signal, cache: "no-store", ...dressed(options, token) });
      const receivedAt = performance.now();
      const data = await payload(response);
      if (!response.ok && response.status !== 304) throw problemOf(response, data);
      const { status, headers } = response;
      return { status, data, etag: headers.get("ETag"), headers, sentAt, receivedAt };
    } catch (error) {
      if (error instanceof Problem || options.signal?.aborted) throw error;
      throw new Unreachable(timeout.aborted ? "The server did not answer in time." : "The server cannot be reached.", error);
    }
  }
}

function dressed({ body, headers = {}, idempotencyKey = null }, token) {
  const all = { Accept: "application/json", ...headers };
  if (token !== null) all.Authorization = `Bearer ${token}`;
  if (idempotencyKey !== null) all["Idempotency-Key"] = idempotencyKey;
  if (body === undefined) return { headers: all };
  if (body instanceof Blob || body instanceof FormData) return { headers: all, body };
  return { headers: { ...all, "Content-Type": "application/json" }, body: JSON.stringify(body) };
}

async function payload(response) {
  const text = await response.text();
  if (!(response.headers.get("Content-Type") ?? "").includes("json") || text === "") return null;
  try {
    return JSON.parse(text);
  } catch {
    return null; // cut short or garbled by something in between: the status still counts
  }
}

function problemOf(response, body) {
  const seconds = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  return new Problem({
    status: response.status,
    code: body?.code ?? null, // null: not the server's own words, but those of something in between
    detail: body?.detail ?? `The server answered ${response.status}.`,
    errors: body?.errors ?? null,
    retryAfterMs: Number.isNaN(seconds) ? null : seconds * 1000,
    requestId: body?.requestId ?? response.headers.get("X-Request-Id"),
    body,
  });
}
