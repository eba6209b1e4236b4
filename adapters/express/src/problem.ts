import type {ServerResponse} from "node:http";
import {SojournError, type Problem} from "./errors.js";

const RETRY_AFTER = 2;
/** Headers of the answer that was to be; what others set for every answer, such as CORS and CSP, stays. */
const OF_THE_ANSWER = /^(?:content-(?!security-policy)|cache-control$|etag$|expires$|last-modified$|location$|set-cookie$|transfer-encoding$|trailer$)/;

/** A problem as application/problem+json. */
export function bodyOf({code, told, ...said}: Problem): string {
	return JSON.stringify({type: `urn:sojourn:problem:${code}`, ...said});
}

/** Whether it is the key that is not proved, to which a session is bound. */
export function isOfProof(code: string): boolean {
	return code.startsWith("proof-");
}

/** A cookie's session that owes a proof of its script's key, and was not given one. */
export function unproved(code: "proof-required" | "proof-other-key", nonce?: string): SojournError {
	const detail = code === "proof-required" ? "The session is bound to a key, and the request does not prove it." : "The proof is of another key than the session's.";
	const problem: Problem = {status: 401, code, title: "The key is not proved", detail};
	return new SojournError(code, detail, nonce === undefined ? problem : {...problem, nonce});
}

/** The headers of an answer that tells a problem. */
export function headersOf(problem: Problem): Record<string, string | string[]> {
	const headers: Record<string, string | string[]> = {"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"};
	if (isOfProof(problem.code)) Object.assign(headers, problem.told ?? challengeOf(problem));
	else if (problem.nonce !== undefined) headers["DPoP-Nonce"] = problem.nonce;
	const wait = problem.status === 503 ? RETRY_AFTER : problem.retry_after;
	return wait === undefined ? headers : {...headers, "Retry-After": String(wait)};
}

/** What RFC 9449 (sections 7.1, 8 and 9) has a client read, and ours that its token is worth nothing to it. */
export function challengeOf({code, nonce}: Problem): Record<string, string> {
	const error = nonce === undefined ? "invalid_dpop_proof" : "use_dpop_nonce";
	const headers: Record<string, string> = {"WWW-Authenticate": `DPoP error="${error}", algs="ES256"`};
	if (nonce !== undefined) headers["DPoP-Nonce"] = nonce;
	// Its key is lost, or it knows of none: it could not even log in as long as it sends the token.
	if (code === "proof-required" || code === "proof-other-key") headers["Sojourn-Token"] = "none";
	return headers;
}

/** Answers with a problem, application/problem+json, in place of what a handler said so far. */
export function sendProblem(res: ServerResponse, problem: Problem, end: (body: string) => void = (text) => void res.end(text)): void {
	const body = bodyOf(problem);
	for (const name of res.getHeaderNames()) if (OF_THE_ANSWER.test(name)) res.removeHeader(name);
	res.statusCode = problem.status;
	res.statusMessage = "";
	for (const [name, value] of Object.entries(headersOf(problem))) res.setHeader(name, value);
	res.setHeader("Content-Length", Buffer.byteLength(body));
	end(body);
}
