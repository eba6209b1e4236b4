// All connections are read into one buffer: what has come of an answer stays, whatever others bring meanwhile.
import assert from "node:assert/strict";
import {execFileSync} from "node:child_process";
import {once} from "node:events";
import {mkdtempSync, readFileSync, rmSync} from "node:fs";
import {createServer} from "node:net";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {after, test} from "node:test";
import {createServer as createTlsServer} from "node:tls";
import {Connection} from "../dist/connection.js";

const folder = mkdtempSync(join(tmpdir(), "sojourn-"));
after(() => rmSync(folder, {recursive: true}));

function certificate() {
	const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(folder, name));
	const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost"];
	execFileSync("openssl", ["req", "-x509", ...kind, "-keyout", key, "-out", cert], {stdio: "ignore"});
	return {key: readFileSync(key), cert: readFileSync(cert)};
}

const BODY = JSON.stringify({text: "zwölf".repeat(30_000)});
const FORMS = {
	"with a length": [`HTTP/1.1 200 OK\r\nContent-Length: ${Buffer.byteLength(BODY)}\r\n\r\n${BODY}`],
	"in chunks": [BODY.slice(0, 1_000), BODY.slice(1_000), ""].map((text, place) => {
		const head = place === 0 ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" : "";
		return `${head}${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
	}),
};

for (const tls of [false, true]) {
	for (const [form, texts] of Object.entries(FORMS)) {
		test(`an answer ${form}, over ${tls ? "TLS" : "TCP"}`, async () => {
			if (tls) process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
			const server = tls ? createTlsServer(certificate()) : createServer();
			server.listen(0, "127.0.0.1");
			await once(server, "listening");
			const address = {host: "127.0.0.1", port: server.address().port, tls};
			const begin = async () => {
				const connection = new Connection(address, () => {}, () => {});
				const [socket] = await once(server, tls ? "secureConnection" : "connection");
				return {socket, ask: () => new Promise((resolve) => connection.ask([{text: "POST", answered: resolve}]))};
			};
			const [one, other] = [await begin(), await begin()];
			const bytes = Buffer.from(texts.join(""));

			const answer = one.ask();
			await once(one.socket, "data");
			for (const until of [3_000, 40_000, bytes.length]) {
				one.socket.write(bytes.subarray(one.sent ?? 0, until));
				one.sent = until;
				for (let n = 0; n < 2; n++) {
					const between = other.ask();
					await once(other.socket, "data");
					other.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n${"-".repeat(3000)}`);
					assert.equal((await between).body, "-".repeat(3000));
				}
			}

			assert.equal((await answer).body, BODY);
			for (const {socket} of [one, other]) socket.destroy();
			server.close();
			delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
		});
	}
}
