export {createSessionClient} from "./client.js";
export {isSessionError, SessionError, type SessionErrorCode} from "./errors.js";
export type {
	ActiveState,
	Bound,
	EmptyState,
	EndedState,
	EndReason,
	JsonValue,
	SessionClient,
	SessionClientOptions,
	SessionEvents,
	SessionInfo,
	SessionState,
	SessionStorageKind,
	StateFields,
	Transport,
} from "./types.js";
