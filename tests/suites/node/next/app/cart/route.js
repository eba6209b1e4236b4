import {cookies} from "next/headers";
import {NextResponse} from "next/server";
import {commit, handle, open} from "../../sessions.js";

export const POST = (request) =>
	handle(request, (session) => {
		(session.cart ??= []).push("tea");
		return Response.json(session.cart);
	});

export async function GET(request) {
	const session = await open(request);
	(await cookies()).set("theme", "dark");
	return commit(session, NextResponse.json({user: session.userId, cart: session.cart ?? []}));
}
