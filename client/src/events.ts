/** Listeners by name, with an EventTarget's manners: one that throws stops no other, one that is undone is not called. */
export interface Events<Map> {
	on<Name extends keyof Map & string>(name: Name, listener: (event: Map[Name]) => void): () => void;
	emit<Name extends keyof Map & string>(name: Name, event: Map[Name]): void;
}

export function createEvents<Map>(): Events<Map> {
	const target = new EventTarget();
	return {
		on(name, listener) {
			const hear = ({detail}: any) => listener(detail);
			target.addEventListener(name, hear);
			return () => target.removeEventListener(name, hear);
		},
		emit: (name, detail) => void target.dispatchEvent(new CustomEvent(name, {detail})),
	};
}
