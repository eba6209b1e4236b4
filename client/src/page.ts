/** Tells when the page may have missed something: it was hidden, offline or, which is urgent, not running at all. */
export function watchPage(signal: AbortSignal, wake: (isUrgent?: boolean) => void): void {
	function listen(target: EventTarget | undefined, type: string, listener: (event: any) => void) {
		target?.addEventListener?.(type, listener, {signal});
	}
	listen(globalThis.document, "visibilitychange", () => document.hidden || wake());
	listen(globalThis as any, "online", () => wake());
	// From the back-forward cache.
	listen(globalThis as any, "pageshow", ({persisted}) => persisted && wake(true));
}
