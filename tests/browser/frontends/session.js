// What each front end here begins with: one client, which the server makes too, and tells nothing.
import {createSessionClient} from "sojourn-client";

export const session = createSessionClient({url: "/session"});
globalThis.session = session;
