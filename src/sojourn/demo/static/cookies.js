import {byId, element} from "./elements.js";
import {client, mode} from "./session.js";

const PROBE = "sojourn-probe";

/** Whether this browser keeps a Secure cookie of this page. Safari does not over plain http, localhost included. */
function keepsSecure() {
	document.cookie = `${PROBE}=1; Secure; SameSite=Lax; Path=/`;
	const kept = document.cookie.includes(`${PROBE}=1`);
	document.cookie = `${PROBE}=; Secure; SameSite=Lax; Path=/; Max-Age=0`;
	return kept;
}

function tell() {
	const notice = byId("no-cookie");
	notice.hidden = false;
	notice.replaceChildren(
		element("div", {}, element("strong", {}, "This browser keeps no cookie of this page, and so no session."), " ",
			"Safari keeps none over plain http: start the demo with ", element("code", {}, "--insecure-cookies"),
			", or open this page in another browser. If you have blocked cookies, allow them here."),
	);
}

/** Says at once what no click would tell: that nothing here can be kept. */
export function startCookies() {
	if (mode.storage !== "cookie") return;
	if (document.body.dataset.secure === "yes" && !keepsSecure()) tell();
	client.on("error", ({error}) => error.code === "cookie-not-kept" && tell());
}
