/** Work under way, one of a kind at a time. */
export type Flights = Map<string, Promise<any>>;

/** Begins the work, or joins what is under way. */
export function join<T>(flights: Flights, kind: string, task: () => Promise<T>): Promise<T> {
	const flight = flights.get(kind) ?? task().finally(() => flights.delete(kind));
	flights.set(kind, flight);
	return flight;
}

/** Begins it now or, where one is under way that may have left too early, after that. */
export function joinAfter<T>(flights: Flights, kind: string, task: () => Promise<T>): Promise<T> {
	return join(flights, kind + "+", async () => {
		await flights.get(kind)?.catch(() => {});
		// What waits is itself joined only until it leaves.
		flights.delete(kind + "+");
		return join(flights, kind, task);
	});
}
