/** Work under way, one of a kind at a time. */
export interface Flights {
	/** Begins the work, or joins what is under way. */
	join<T>(kind: string, task: () => Promise<T>): Promise<T>;
	/** Begins it now or, where one is under way that may have left too early, after that. */
	joinAfter<T>(kind: string, task: () => Promise<T>): Promise<T>;
}

export function createFlights(): Flights {
	const flights = new Map<string, Promise<any>>();

	function join<T>(kind: string, task: () => Promise<T>): Promise<T> {
		let flight = flights.get(kind);
		if (!flight) flights.set(kind, (flight = task().finally(() => flights.delete(kind))));
		return flight;
	}

	return {
		join,
		joinAfter(kind, task) {
			const before = flights.get(kind);
			// What waits is itself joined only until it leaves.
			const leave = () => {
				flights.delete(kind + "+");
				return join(kind, task);
			};
			return before ? join(kind + "+", () => before.then(leave, leave)) : join(kind, task);
		},
	};
}
