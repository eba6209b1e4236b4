// For suites that put `{}` into a request as its session: `$session(req, data)` puts one of `sojourn()`'s there, with that data.
const {sojourn} = require("sojourn-express");

const middleware = sojourn({service: process.env.SOJOURN_SERVICE, key: process.env.SOJOURN_KEY});

// An id that a test makes up for it is left out: ours come from the service.
global.$session = (req, {id: _, ...data}) => {
	if (!("session" in req) || !req.headers) {
		req.headers ??= {};
		req.method ??= "GET";
		middleware(req, {}, (error) => {
			if (error) throw error;
		});
	}
	return Object.assign(req.session, data);
};
