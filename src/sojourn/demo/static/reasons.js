import {spoken} from "./durations.js";

/** Why a session ended, in a sentence for the person it ended for. `last` is the session as it was before. */
export function sentence(reason, last) {
	const idle = last?.idleTimeout ? spoken(last.idleTimeout) : "a while";
	const whole = last?.createdAt ? spoken(last.absoluteExpiresAt - last.createdAt) : "its longest time";
	switch (reason) {
		case "logout":
			return ["You logged out.", "The session is over in every tab of this browser, and its data is gone from the server."];
		case "idle_timeout":
			return ["Nothing happened for a while.", `After ${idle} without activity a session ends, so that nobody else goes on with it.`];
		case "absolute_timeout":
			return ["The session had lasted long enough.", `It ended after ${whole}, as all do, however busy they are. Sign in again to go on.`];
		case "revoked":
			return ["This session was ended from elsewhere.", "Somebody who is signed in as you chose to end it. If that was not you, change your password."];
		case "replaced":
			return ["A newer sign-in took over.", "This session was replaced by the one that followed it."];
		case "token_reuse":
			return ["An old copy of your token was used.", "That happens when a token was stolen, so the session was ended for everybody who holds it. Sign in again."];
		case "limit":
			return ["You signed in on too many devices.", "Five sessions are allowed at once; this was the oldest, and made room for the newest."];
		default:
			return ["The session is gone.", "This browser no longer holds it: perhaps its cookies were deleted."];
	}
}
