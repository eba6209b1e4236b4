// What must not compile.
import {createSessionClient, type SessionState} from "../src/index.js";

interface Cart {
	items: string[];
	theme?: "dark" | "light";
}

const session = createSessionClient<Cart>({url: "/session"});

// @ts-expect-error: where the session is cannot be guessed
createSessionClient({});
// @ts-expect-error: no such storage
createSessionClient({url: "/session", storage: "indexeddb"});
// @ts-expect-error: an option left out is not an option undefined
createSessionClient({url: "/session", warnBefore: undefined});
// @ts-expect-error: no such option
createSessionClient({url: "/session", warnbefore: 3});
// @ts-expect-error: a transport answers
createSessionClient({url: "/session", transport: async (request: Request) => request.url});

// @ts-expect-error: not of this type
void session.set({items: 3});
// @ts-expect-error: no such key
void session.set({total: 3});
// @ts-expect-error: not one of the values
void session.set({theme: "blue"});
// @ts-expect-error: no such key
void session.remove("total");
// @ts-expect-error: a date is not JSON
void createSessionClient({url: "/session"}).set({when: new Date()});

// @ts-expect-error: no such event
session.on("expired", () => {});
// @ts-expect-error: the reason is the event of an end
session.on("expiring", ({reason}) => reason);
// @ts-expect-error: read only
session.state = session.state;
// @ts-expect-error: read only
session.state.status = "none";
// @ts-expect-error: read only
session.state.data.theme = "dark";

export function describe(state: SessionState<Cart>): string {
	// @ts-expect-error: a session need not be live
	const id: string = state.id;
	if (state.status === "active") {
		const sure: string = state.id;
		// @ts-expect-error: the key may never have been set
		const {length} = state.data.items;
		return sure + id + length;
	}
	// @ts-expect-error: only an end has a reason
	const reason: string = state.endReason;
	// @ts-expect-error: no such status
	if (state.status === "expired") return reason;
	return state.status === "ended" ? state.endReason : "";
}
