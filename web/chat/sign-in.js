/** The door: sign in or register, then never in the way again. */

import { part } from "./elements.js";

/** Show the form and resolve once `session` is a person's. */
export function signIn(session) {
  const form = part("#sign-in");
  const [submit, other] = form.querySelectorAll("button");
  const username = form.querySelector("[data-part=username]");
  part("#door").hidden = false;
  other.onclick = () => {
    username.hidden = !username.hidden;
    form.elements.username.required = !username.hidden;
    submit.textContent = username.hidden ? "Sign in" : "Register";
    other.textContent = username.hidden ? "I have no account yet" : "I have an account";
  };
  return new Promise((resolve) => {
    form.onsubmit = async (event) => {
      event.preventDefault();
      submit.disabled = true;
      try {
        const given = Object.fromEntries(new FormData(form));
        await (username.hidden ? session.signIn(given) : session.register(given));
        part("#door").hidden = true;
        form.reset();
        resolve();
      } catch (error) {
        const first = error.errors?.[0];
        form.querySelector(".problem").textContent = first?.message ?? first?.detail ?? error.message;
      } finally {
        submit.disabled = false;
      }
    };
  });
}
