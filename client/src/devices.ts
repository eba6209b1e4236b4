import {camelCase} from "./names.js";
import type {SessionInfo} from "./types.js";
import type {Read} from "./wire.js";

export const readList: Read<SessionInfo[]> = (body) =>
	body.sessions.every((one: SessionInfo) => typeof one.id === "string") ? body.sessions.map(camelCase) : undefined;

/** How many sessions were ended. */
export const readCount: Read<number> = (body) => (Number.isFinite(body.ended) ? body.ended : undefined);
