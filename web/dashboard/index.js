// Says whether the server is ready, as its readiness probe sees it.

const state = document.querySelector("#state");

async function look() {
  try {
    const answer = await fetch("/readyz", { cache: "no-store" });
    const { status } = answer.ok ? await answer.json() : { status: "not ready" };
    state.textContent = `The server is ${status}.`;
    state.dataset.status = status;
  } catch {
    state.textContent = "The server does not answer.";
    state.dataset.status = "away";
  }
}

look();
setInterval(look, 10_000);
