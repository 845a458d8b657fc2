/** The chat page: finds or makes a session, then wires the client to what is seen. */

import { Api } from "../shared/client.js";
import { Session } from "../shared/session.js";
import { Door } from "./door.js";
import { part } from "./elements.js";
import { ChatPage } from "./page.js";

const session = new Session({ onOther: () => location.reload(), onSignedIn: () => door.look() });
const door = new Door(session);
const api = new Api({ credentials: session });

/** The session has ended, here or elsewhere: the same person goes on where they were, another one starts anew. */
async function ended() {
  const { id } = session.user;
  part("#app").hidden = true;
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
  await door.ask("Your session has ended. Please sign in again.");
  if (session.user.id !== id) {
    location.reload();
    return;
  }
  part("#app").hidden = false;
  page.goOn();
}

await door.enter();
part("#app").hidden = false;
const page = new ChatPage({ api, session, onEnded: ended });
page.start();
