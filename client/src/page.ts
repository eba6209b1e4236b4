/** Tells when the page may have missed something: it was hidden, offline or not running at all, and now back. */
export function watchPage(signal: AbortSignal, wake: (isBack?: boolean) => void): void {
	// Of a hidden page nobody reads anything; `persisted` is one from the back-forward cache.
	const hear = ({persisted}: any) => globalThis.document?.hidden || wake(persisted);
	for (const type of ["visibilitychange", "online", "pageshow"]) addEventListener(type, hear, {signal});
}
