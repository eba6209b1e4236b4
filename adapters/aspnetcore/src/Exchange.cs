using System;
using System.Buffers;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>What one request does with its session: one open, and a commit if there is something to write.</summary>
    internal sealed class Exchange
    {
        private readonly SessionService _service;
        private readonly string _cookieName;
        private readonly HttpContext _context;
        private string? _token;
        private string _status = "none";
        private long? _openedAt;
        private bool _isDue;

        // The last commit's, where the service did not answer: what was to be written still is.
        private SojournException? _failure;

        public Exchange(SessionService service, string cookieName, string? token, HttpContext context)
        {
            _service = service;
            _cookieName = cookieName;
            _token = token;
            _context = context;
        }

        public SessionData Data { get; } = new SessionData();

        /// <summary>The live session as the service knows it; null where there is none.</summary>
        public JsonElement? State { get; private set; }

        public string? EndReason { get; private set; }

        /// <summary>This request does not count as activity.</summary>
        public bool IsPassive { get; set; }

        /// <summary>Whether the handlers looked at the session: the answer then depends on it.</summary>
        public bool IsAccessed { get; set; }

        /// <summary>Whether the answer's first byte is out: nothing can be told to the browser any more.</summary>
        public bool IsSealed { get; set; }

        /// <summary>What the answer must tell the browser.</summary>
        public string? SetCookie { get; private set; }

        public async Task OpenAsync()
        {
            if (_token == null)
            {
                return;
            }
            var opened = await _service.PostAsync("v1/open", Body(json => json.WriteString("token", _token)), repeatable: true);
            Become(opened);
            _isDue = opened.GetProperty("commit_due").GetBoolean();
        }

        /// <summary>Writes what is left to write before the answer's first byte.</summary>
        public async Task FinishAsync()
        {
            if (_failure != null)
            {
                // The handler was told already, or did not listen; waiting a second time would help nobody.
                var failure = _failure;
                _failure = null;
                if (_context.Response.StatusCode < 400)
                {
                    throw failure;
                }
                Data.Load(null);
                return;
            }
            if ((_isDue && !IsPassive) || Data.IsChanged)
            {
                await CommitAsync();
            }
        }

        /// <summary>Writes what was changed so far, and does what `action` names.</summary>
        public async Task CommitAsync(string? action = null, string? userId = null, bool remember = false)
        {
            var isNew = State == null || action == "login" || action == "regenerate";
            if (IsSealed && isNew && action != "logout")
            {
                throw TooLate();
            }
            try
            {
                var body = Body(json => WriteCommit(json, isNew, action, userId, remember));
                Settle(await _service.PostAsync("v1/commit", body, repeatable: false));
            }
            catch (SojournException error)
            {
                Refused(error);
                throw;
            }
        }

        public static InvalidOperationException TooLate() => new InvalidOperationException(
            "The response has started: a session can no longer be changed. Do it before the first byte.");

        private void WriteCommit(Utf8JsonWriter json, bool isNew, string? action, string? userId, bool remember)
        {
            json.WriteString("token", _token);
            if (_token != null)
            {
                json.WriteString("status", _status);
            }
            if (isNew)
            {
                WriteClient(json);
            }
            json.WriteBoolean("passive", IsPassive);
            if (_openedAt is long openedAt)
            {
                json.WriteNumber("opened_at", openedAt);
            }
            if (action != "logout")
            {
                // A log-in takes the data along even where a parallel one has replaced the session meanwhile.
                Data.WriteChanges(json, all: action == "login");
            }
            if (action == null)
            {
                return;
            }
            json.WriteStartObject("action");
            json.WriteString("type", action);
            if (action == "login")
            {
                json.WriteString("user_id", userId);
                json.WriteBoolean("remember", remember);
            }
            json.WriteEndObject();
        }

        private void WriteClient(Utf8JsonWriter json)
        {
            var ip = _context.Connection.RemoteIpAddress;
            var agent = _context.Request.Headers["User-Agent"].ToString();
            json.WriteStartObject("client");
            json.WriteString("ip", (ip != null && ip.IsIPv4MappedToIPv6 ? ip.MapToIPv4() : ip)?.ToString());
            json.WriteString("user_agent", agent);
            json.WriteEndObject();
        }

        private void Settle(JsonElement committed)
        {
            if (committed.GetProperty("set_cookie").GetString() is string setCookie)
            {
                if (!setCookie.StartsWith(_cookieName + "=", StringComparison.Ordinal))
                {
                    var name = setCookie.Substring(0, setCookie.IndexOf('='));
                    throw new SojournException(
                        "configuration",
                        $"The service's cookie is \"{name}\", and this application reads \"{_cookieName}\": set options.CookieName.");
                }
                SetCookie = setCookie;
            }
            var token = committed.GetProperty("token").GetString();
            var (id, openedAt) = (IdOf(State), _openedAt);
            Become(committed);
            // The token is judged as of the request that showed it, however late this one still writes: renewed
            // meanwhile, it would be taken for a thief's.
            if (State != null && IdOf(State) == id)
            {
                _openedAt = openedAt;
            }
            // A renewed secret of the same session is the browser's to show first: shown from here, it would retire the
            // one that the browser may go on with if this answer is lost.
            if (State == null)
            {
                _token = null;
            }
            else if (token != null && (_token == null || SessionCookie.IdOf(token) != SessionCookie.IdOf(_token)))
            {
                _token = token;
            }
            _isDue = false;
            _failure = null;
        }

        private void Refused(SojournException error)
        {
            if (error.Code == "store-unavailable")
            {
                _failure = error;
                return;
            }
            // What was refused is not tried again.
            _isDue = false;
            if (error.Code == "session-ended")
            {
                _token = null;
                _openedAt = null;
                State = null;
                EndReason = error.EndReason;
            }
            Data.Load(State?.GetProperty("data"));
        }

        private void Become(JsonElement answer)
        {
            var state = answer.GetProperty("session");
            State = state.ValueKind == JsonValueKind.Object ? state : (JsonElement?)null;
            EndReason = answer.GetProperty("end_reason").GetString();
            _status = answer.GetProperty("status").GetString()!;
            _openedAt = answer.GetProperty("now").GetInt64();
            Data.Load(State?.GetProperty("data"));
        }

        private static string? IdOf(JsonElement? state) => state?.GetProperty("id").GetString();

        private static ReadOnlyMemory<byte> Body(Action<Utf8JsonWriter> write)
        {
            var buffer = new ArrayBufferWriter<byte>();
            using (var json = new Utf8JsonWriter(buffer))
            {
                json.WriteStartObject();
                write(json);
                json.WriteEndObject();
            }
            return buffer.WrittenMemory;
        }
    }
}
