import type {SessionError} from "./errors.js";
import type {Flights} from "./flights.js";
import {camelCase} from "./state.js";
import type {SessionClient} from "./types.js";
import type {Wire} from "./wire.js";

/** The user's sessions elsewhere. */
export function createDevices(
	call: Wire["call"],
	join: Flights["join"],
): Pick<SessionClient, "list" | "revoke" | "revokeOthers"> {
	return {
		list: () => join("list", async () => (await call("GET", "/sessions")).body.sessions.map(camelCase)),
		revoke: (id) =>
			join("revoke " + id, () =>
				call("DELETE", "/sessions/" + encodeURIComponent(id)).then(
					({body}) => !!body.ended,
					(error: SessionError) => {
						if (error.status === 404) return false;
						throw error;
					},
				),
			),
		revokeOthers: () => join("revoke", async () => (await call("DELETE", "/sessions")).body.ended),
	};
}
