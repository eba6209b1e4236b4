import {readable, type Readable} from "svelte/store";
import {LOADING} from "./state.js";
import type {SessionClient, SessionState} from "./types.js";

/** The store of the state, or of what `select` takes from it. */
export interface UseSession<Data extends object> {
	(): Readable<SessionState<Data>>;
	<Selected>(select: (state: SessionState<Data>) => Selected): Readable<Selected>;
}

/** Makes stores of a client's state. On a server, and while a page hydrates, the state is `loading`. */
export function createUseSession<Data extends object>(session: SessionClient<Data>): UseSession<Data> {
	return function useSession(select: (state: SessionState<Data>) => any = (state) => state) {
		return readable(select(LOADING), (set) => {
			let undo: (() => void) | undefined;
			let isWanted = true;
			// What is mounted now is mounted before this.
			queueMicrotask(() => {
				if (isWanted) undo = session.subscribe((state) => set(select(state)));
			});
			return () => {
				isWanted = false;
				undo?.();
			};
		});
	};
}
