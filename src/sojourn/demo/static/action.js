const OFFLINE = "The server does not answer. Nothing is lost: try again in a moment.";

/** Runs what a button or a field asks for: busy meanwhile, and what goes wrong is said in `message`. */
export async function act(control, message, task) {
	if (control.ariaBusy === "true") return;
	control.ariaBusy = "true";
	message.textContent = "";
	try {
		const said = await task();
		message.classList.remove("bad");
		if (typeof said === "string") message.textContent = said;
	} catch (error) {
		message.classList.add("bad");
		message.textContent = error instanceof TypeError || error.code === "network" ? OFFLINE : (error.detail ?? error.message);
	} finally {
		control.ariaBusy = null;
	}
}
