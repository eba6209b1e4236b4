import {useMemo, useSyncExternalStore} from "react";
import {LOADING} from "./state.js";
import type {SessionClient, SessionState} from "./types.js";

/** The hook: the state, or what `select` takes from it. */
export interface UseSession<Data extends object> {
	(): SessionState<Data>;
	<Selected>(select: (state: SessionState<Data>) => Selected): Selected;
}

/**
 * Makes the hook of a client. A component renders anew when what it selected is another; an object that `select` makes is
 * another with each state. On a server, and while a page hydrates, the state is `loading`.
 */
export function createUseSession<Data extends object>(session: SessionClient<Data>): UseSession<Data> {
	return function useSession(select: (state: SessionState<Data>) => any = (state) => state) {
		const [read, readOnServer] = useMemo(() => {
			// React asks more often than the state changes, and wants the same answer each time.
			let state: SessionState<Data> | undefined;
			let selected: unknown;
			const from = (next: SessionState<Data>) => (next === state ? selected : (selected = select((state = next))));
			return [() => from(session.state), () => from(LOADING)] as const;
		}, [select]);
		return useSyncExternalStore(session.subscribe, read, readOnServer);
	};
}
