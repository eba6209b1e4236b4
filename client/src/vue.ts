import {getCurrentInstance, onMounted, onScopeDispose, shallowRef, type ShallowRef} from "vue";
import {LOADING} from "./state.js";
import type {SessionClient, SessionState} from "./types.js";

/** The composable: a ref of the state, or of what `select` takes from it. */
export interface UseSession<Data extends object> {
	(): Readonly<ShallowRef<SessionState<Data>>>;
	<Selected>(select: (state: SessionState<Data>) => Selected): Readonly<ShallowRef<Selected>>;
}

/** Makes the composable of a client. On a server, and until a component is mounted, the state is `loading`: so a page hydrates. */
export function createUseSession<Data extends object>(session: SessionClient<Data>): UseSession<Data> {
	return function useSession(select: (state: SessionState<Data>) => any = (state) => state) {
		const selected = shallowRef(select(LOADING));
		let undo = () => {};
		const begin = () => void (undo = session.subscribe((state) => (selected.value = select(state))));
		if (getCurrentInstance()) onMounted(begin);
		else begin();
		onScopeDispose(() => undo());
		return selected;
	};
}
