import {redirect} from "next/navigation";
import {handle} from "../../sessions.js";

export const POST = (request) =>
	handle(request, async (session) => {
		await session.login("ada");
		return Response.redirect(new URL("/cart", request.url), 303);
	});

// What Next throws to redirect is for Next.
export const GET = (request) => handle(request, () => redirect("/cart"));
