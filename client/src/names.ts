/** Turns the wire's snake_case keys into ours; one level deep, since `data` is the application's. */
export function camelCase<T>(wire: object): T {
	return Object.fromEntries(
		Object.entries(wire).map(([key, value]) => [key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase()), value]),
	) as T;
}
