import type {ServerResponse} from "node:http";
import type {Problem} from "./errors.js";

const RETRY_AFTER = 2;
/** Headers of the answer that was to be; what others set for every answer, such as CORS and CSP, stays. */
const OF_THE_ANSWER = /^(?:content-(?!security-policy)|cache-control$|etag$|expires$|last-modified$|location$|set-cookie$|transfer-encoding$|trailer$)/;

/** Answers with a problem, application/problem+json, in place of what a handler said so far. */
export function sendProblem(res: ServerResponse, problem: Problem, end: (body: string) => void = (text) => void res.end(text)): void {
	const {code, ...told} = problem;
	const body = JSON.stringify({type: `urn:sojourn:problem:${code}`, ...told});
	for (const name of res.getHeaderNames()) if (OF_THE_ANSWER.test(name)) res.removeHeader(name);
	res.statusCode = problem.status;
	res.statusMessage = "";
	res.setHeader("Content-Type", "application/problem+json");
	res.setHeader("Cache-Control", "no-store");
	res.setHeader("X-Content-Type-Options", "nosniff");
	if (problem.status === 503) res.setHeader("Retry-After", RETRY_AFTER);
	res.setHeader("Content-Length", Buffer.byteLength(body));
	end(body);
}
