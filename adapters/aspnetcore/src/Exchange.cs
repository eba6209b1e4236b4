using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>What one request does with its session: one open, and a commit if there is something to write.</summary>
    internal sealed class Exchange
    {
        /// <summary>From this status on an answer keeps no change: it is what becomes of a handler's exception.</summary>
        public const int Failed = 500;

        private readonly SessionService _service;
        private readonly Transport _transport;
        private readonly HttpContext _context;
        private readonly Shown _shown;
        private string? _token;
        private string _status = "none";
        private bool _isDue;

        private Turn? _turn;

        // Of live sessions, of which none counts.
        private List<string> _others = new List<string>();

        // The last commit's, where the service did not answer: what was to be written still is.
        private SojournException? _failure;

        public Exchange(SessionService service, Transport transport, HttpContext context, Shown shown)
        {
            _service = service;
            _transport = transport;
            _context = context;
            _shown = shown;
            Reply = new Reply(transport.CookieName, shown);
        }

        public SessionData Data { get; } = new SessionData();

        public Reply Reply { get; }

        /// <summary>The headers of requests that the session depends on: for Vary.</summary>
        public string Vary => _transport.Vary;

        /// <summary>The live session as the service knows it; null where there is none.</summary>
        public JsonElement? State { get; private set; }

        public string? EndReason { get; private set; }

        /// <summary>When this request opened the session, or began it, by the service's clock; null where there is none.</summary>
        public long? OpenedAt { get; private set; }

        /// <summary>The nonce for the proof of its key that the session owes; null where it owes none.</summary>
        public string? Owed { get; private set; }

        /// <summary>This request does not count as activity.</summary>
        public bool IsPassive { get; set; }

        /// <summary>Whether the handlers looked at the session: the answer then depends on it.</summary>
        public bool IsAccessed { get; set; }

        /// <summary>Whether the answer's first byte is out: nothing can be told to the browser any more.</summary>
        public bool IsSealed { get; set; }

        /// <summary>The end of the session. Without one there is nothing to end, but the request.</summary>
        public SessionEnding Ending()
        {
            var ending = new SessionEnding(_context);
            if (_status == "ended")
            {
                ending.End(EndReason);
            }
            else if (State is JsonElement state)
            {
                var left = TimeSpan.FromMilliseconds(state.GetProperty("expires_at").GetInt64() - (OpenedAt ?? 0));
                _context.Response.RegisterForDispose(_service.Ends.Follow(IdOf(State)!, left, ending.End));
            }
            return ending;
        }

        /// <summary>Opens what the browser shows; where it shows several that are live, it is told to forget them all.</summary>
        public async Task OpenAsync()
        {
            if (_shown.Tokens.Count == 0)
            {
                return;
            }
            Rivals rivals;
            try
            {
                rivals = await Rivals.OpenAsync(_service, _shown);
                if (rivals.Counts is (string _, JsonElement answer))
                {
                    _shown.Key?.Hear(answer);
                }
            }
            catch (SojournException error) when (_shown.Key != null && Challenge.IsFor(error.Code))
            {
                throw new SojournException(error.Code, error.Message, _shown.Key.Refused(error.Problem!));
            }
            _others = rivals.Live;
            Reply.Forgets = rivals.IsContested;
            if (rivals.Counts is (string token, JsonElement opened))
            {
                _token = token;
                Become(opened);
                Owed = opened.TryGetProperty("owed", out var owed) ? owed.GetString() : null;
                Data.Load(State?.GetProperty("data"));
                _isDue = opened.GetProperty("commit_due").GetBoolean();
            }
        }

        /// <summary>Writes what is left to write, before the answer's first byte or at the end of the request.</summary>
        public async Task FinishAsync()
        {
            if (_context.Response.StatusCode >= Failed)
            {
                return;
            }
            if (_turn != null)
            {
                await _turn.CatchUpAsync();
            }
            if (_turn != null || Data.IsChanged || (_isDue && !IsPassive))
            {
                await (_turn ??= new Turn()).TakeAsync(WriteRestAsync, CancellationToken.None);
            }
        }

        /// <summary>Writes what was changed so far, and does what is wished.</summary>
        public async Task CommitAsync(CancellationToken cancelled, Wish? wish = null)
        {
            await (_turn ??= new Turn()).TakeAsync(() => WriteAsync(wish), cancelled);
            if (Reply.IsOfToken)
            {
                Caches.Forbid(_context, Vary);
            }
        }

        /// <summary>Writes what was changed so far, and uses the grant for `action` up.</summary>
        public Task UseGrantAsync(string action, CancellationToken cancelled)
        {
            var key = StepUp.GrantKey(action);
            return (_turn ??= new Turn()).TakeAsync(
                () =>
                {
                    StepUp.CheckGrant(action, Data, OpenedAt);
                    Data.Remove(key);
                    return WriteAsync(null, key);
                },
                cancelled);
        }

        /// <summary>Throws where a change could begin a session that no browser would hear of.</summary>
        public void CheckChangeable()
        {
            if (IsSealed && State == null)
            {
                throw TooLate();
            }
        }

        /// <summary>Something may have been changed: what this answer says is for its visitor alone.</summary>
        public void NoteChanges()
        {
            if (Data.IsChanged)
            {
                Caches.Forbid(_context, Vary);
            }
        }

        private static InvalidOperationException TooLate() => new InvalidOperationException(
            "The response has started, so the browser cannot be told of a new session. Begin, log in or regenerate before the first byte.");

        private async Task WriteRestAsync()
        {
            if (_failure == null)
            {
                await WriteAsync(null);
                return;
            }
            // The handler was told already, or did not listen; waiting a second time would help nobody.
            var failure = _failure;
            _failure = null;
            if (_context.Response.StatusCode < 400)
            {
                throw failure;
            }
            Data.Load(null);
        }

        private async Task WriteAsync(Wish? wish, string? used = null)
        {
            if (wish == Wish.Start && State != null)
            {
                wish = null;
            }
            if (wish is Login login)
            {
                var before = State?.GetProperty("user_id").GetString();
                if (before != null && before != login.UserId)
                {
                    Data.Load(null);
                }
                Data.Keep(login.Keep);
            }
            if (wish == null && !Data.IsChanged && (!_isDue || IsPassive))
            {
                return;
            }
            var isNew = State == null || wish is Login || wish == Wish.Regenerate;
            if (IsSealed && isNew && wish != Wish.Logout)
            {
                throw TooLate();
            }
            var sent = Data.Take();
            try
            {
                if (wish is Login || wish == Wish.Logout)
                {
                    await EndOthersAsync();
                }
                var body = Wire.Commit(_token, _status, OpenedAt, _shown.Key, IsPassive, isNew ? _context : null, sent, wish, used);
                Settle(await _service.CommitAsync(body));
            }
            catch (SojournException error)
            {
                Refused(error, sent);
                throw;
            }
        }

        /// <summary>Whoever logs in or out means all that the browser shows: none of it may be left to come back.</summary>
        private async Task EndOthersAsync()
        {
            while (_others.Count > 0)
            {
                await _service.CommitAsync(Wire.Logout(_others[0], _shown.Key));
                _others.RemoveAt(0);
            }
        }

        private void Settle(JsonElement committed)
        {
            Reply.Settle(committed);
            _shown.Key?.Hear(committed);
            var token = committed.GetProperty("token").GetString();
            var (id, openedAt) = (IdOf(State), OpenedAt);
            Become(committed);
            Data.Settle(State?.GetProperty("data"));
            // The token is judged as of the request that showed it, however late this one still writes: renewed
            // meanwhile, it would be taken for a thief's.
            if (State != null && IdOf(State) == id)
            {
                OpenedAt = openedAt;
            }
            else
            {
                Owed = null;
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

        private void Refused(SojournException error, SessionData.Sent sent)
        {
            Reply.Refused = _shown.Key is ScriptKey && Challenge.IsFor(error.Code) ? error.Problem : null;
            if (error.Code == "store-unavailable")
            {
                Data.Restore(sent);
                _failure = error;
                return;
            }
            // What was refused is not tried again.
            _isDue = false;
            if (error.Code == "session-ended")
            {
                _token = null;
                OpenedAt = null;
                State = null;
                EndReason = error.EndReason;
                Data.Load(null);
                return;
            }
            Data.Settle(State?.GetProperty("data"));
        }

        private void Become(JsonElement answer)
        {
            var state = answer.GetProperty("session");
            State = state.ValueKind == JsonValueKind.Object ? state : (JsonElement?)null;
            EndReason = answer.GetProperty("end_reason").GetString();
            _status = answer.GetProperty("status").GetString()!;
            OpenedAt = answer.GetProperty("now").GetInt64();
        }

        private static string? IdOf(JsonElement? state) => state?.GetProperty("id").GetString();
    }
}
