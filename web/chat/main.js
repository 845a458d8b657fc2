/** The chat page: signs in, then wires the client to what is seen. */

import { Api } from "../shared/client.js";
import { Session } from "../shared/session.js";
import { ChatPage } from "./page.js";
import { part } from "./elements.js";
import { signIn } from "./sign-in.js";

const session = new Session();
const api = new Api({ credentials: session });
const known = await session.refresh().catch(() => false); // nobody answers: the form's answer will say so
if (!known) await signIn(session);
part("#app").hidden = false;
new ChatPage(api, session).start();
