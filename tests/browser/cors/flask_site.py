"""Flask, with flask-cors, in whatever order: it works on the finished answer, a refusal too."""

from __future__ import annotations

from flask import Flask, jsonify
from flask.typing import ResponseReturnValue
from flask_cors import CORS

from sojourn import SessionManager, open_store
from sojourn.flask import BrowserEndpoints, init_app, session
from tests.browser.cors import place

app = Flask(__name__)
CORS(
    app,
    origins=place.ALLOWED,
    supports_credentials=True,
    allow_headers=place.HEADERS,
    expose_headers=place.EXPOSED,
)
init_app(app, SessionManager(open_store(place.STORE)), **place.OPTIONS)
app.register_blueprint(BrowserEndpoints(writable=place.WRITABLE))


@app.post("/login")
def login() -> ResponseReturnValue:
    session.login("ada")
    return jsonify({})
