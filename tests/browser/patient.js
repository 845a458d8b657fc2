/**
 * Runs in a chat's page before its own scripts. A call that is answered "a store is away", as on a machine that is
 * busy, is made again, once in effect by its key: as tests/browser/operator_client.py does.
 */

const once = window.fetch;

window.fetch = async (address, asked = {}) => {
  const path = String(address);
  const isKept = asked.method === "POST" && !path.startsWith("/api/auth/");
  const headers = isKept ? { "Idempotency-Key": crypto.randomUUID(), ...asked.headers } : asked.headers;
  for (;;) {
    const answer = await once(path, { ...asked, headers });
    const isOfServer = answer.status === 503 && (answer.headers.get("Content-Type") ?? "").includes("json");
    if (!isOfServer || /^\/api\/auth\/(login|register)$/.test(path)) return answer; // the form says it, and is sent again
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
};
