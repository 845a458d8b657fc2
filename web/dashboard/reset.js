// Sets a new password by the token of a reset link, or asks for such a link.
// The token stands behind the #, which browsers send to nobody; it is taken out of the address bar at once.

const token = new URLSearchParams(location.hash.slice(1)).get("token");
history.replaceState(null, "", location.pathname);

const said = document.querySelector("#said");
const form = document.querySelector(token ? "#reset" : "#forgot");
form.hidden = false;

async function send(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error((await answer.json()).detail);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(form);
  try {
    if (token) {
      await send("/api/auth/reset", { token, newPassword: fields.get("password") });
      said.textContent = "The new password is set. Sign in with it.";
    } else {
      await send("/api/auth/forgot", { email: fields.get("email") });
      // The same for every address and every server: the answer tells neither whether there is an account nor a mail.
      said.textContent =
        "If there is an account with that address and this server sends mail, a link comes within minutes and works " +
        "for 30. If nothing comes, ask whoever runs this server: it may send no mail, and they can make you a link.";
    }
    form.hidden = true;
  } catch (error) {
    said.textContent = error.message;
  }
});
