import {renderToString} from "@vue/server-renderer";
import {createSSRApp, h} from "vue";
import {createUseSession} from "sojourn-client/vue";
import {session} from "./session.js";

const useSession = createUseSession(session);
globalThis.seen = {errors: []};

const Greeting = {
	setup() {
		const name = useSession((state) => state.userId);
		const state = useSession();
		return () => h("p", {id: "greeting", "data-status": state.value.status}, `Hello ${name.value ?? "stranger"}`);
	},
};
const app = createSSRApp(Greeting);

export const render = () => renderToString(app);

if (globalThis.document) {
	await session.refresh(); // as where the page's script is slow: the state is known before the page hydrates
	app.mount("#root");
}
