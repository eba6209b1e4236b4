import type {FastifyInstance, FastifyReply, FastifyRequest} from "fastify";
import {configuration, type Problem, type SojournError} from "./errors.js";
import {Exchange} from "./exchange.js";
import {finish, Front, varyWith, visitOf, type Options, type Visit} from "./front.js";
import type {Session} from "./index.js";
import {commitBeforeFirstByte} from "./middleware.js";
import {bodyOf, headersOf} from "./problem.js";
import {checkProof, type Proof} from "./step_up.js";

declare module "fastify" {
	interface FastifyRequest {
		session: Session;
	}
}

/**
 * A Fastify plugin: `await app.register(sojournFastify, {service, key})`. It puts the session into `request.session`, and
 * writes what a request changed before its answer's first byte, also where a handler writes to `reply.raw`.
 */
export async function sojournFastify(app: FastifyInstance, options: Options): Promise<void> {
	const front = new Front(options);
	const visits = new WeakMap<object, Visit>();
	if (app.hasRequestDecorator("session")) throw configuration("request.session is there already: use another session plugin or sojourn, not both.");
	app.decorateRequest("session", {
		getter(this: FastifyRequest) {
			const visit = visits.get(this);
			if (visit) visit.exchange.accessed = true;
			return visit?.session as unknown as Session;
		},
	});
	app.addHook("onRequest", (request, reply, next) => {
		const exchange = front.receive(request);
		if (!(exchange instanceof Exchange)) return refuse(reply, exchange);
		exchange.open().then(
			(data) => {
				const visit = visitOf(exchange, data);
				visits.set(request, visit);
				commitBeforeFirstByte(request.raw, reply.raw, exchange, (status) => finish(visit, status));
				next();
			},
			(error: SojournError) => (error.problem ? refuse(reply, error.problem) : next(error)),
		);
	});
}

// What fastify-plugin does: the hook is for the whole application, and not for this plugin's own routes.
Object.assign(sojournFastify, {[Symbol.for("skip-override")]: true, [Symbol.for("fastify.display-name")]: "sojourn-express"});

/** A `preHandler`: as the middleware of that name, for one route of Fastify's. */
export function requireLogin(proof: Proof = {}): (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void) => void {
	checkProof(proof);
	return (request, reply, done) => {
		try {
			request.session.requireLogin(proof);
		} catch (error) {
			const {problem} = error as SojournError;
			return problem ? refuse(reply, problem) : done(error as Error);
		}
		done();
	};
}

function refuse(reply: FastifyReply, problem: Problem): void {
	const vary = reply.getHeader("vary");
	reply.code(problem.status).headers({...headersOf(problem), vary: varyWith(vary === undefined ? null : String(vary))});
	// Text of JSON it would give a charset.
	reply.send(Buffer.from(bodyOf(problem)));
}
