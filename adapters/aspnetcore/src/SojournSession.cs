using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Linq;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>
    /// The session that this request shares with every back end of the service. It is loaded already, and what a request
    /// changed is written before its answer's first byte.
    /// </summary>
    public sealed class SojournSession : ISession
    {
        private readonly Exchange _exchange;
        private readonly JsonSerializerOptions _json;
        private string? _standIn;

        internal SojournSession(Exchange exchange, JsonSerializerOptions json)
        {
            _exchange = exchange;
            _json = json;
        }

        /// <summary>Always: a request is not let in where the service is away.</summary>
        public bool IsAvailable => true;

        /// <summary>
        /// The public name, safe to log. Before the session's first commit a random one that begins with <c>new-</c>: no two
        /// visitors have the same.
        /// </summary>
        public string Id => Text("id") ?? (_standIn ??= "new-" + Guid.NewGuid().ToString("N"));

        /// <summary>Who is logged in, or null.</summary>
        public string? UserId => Text("user_id");

        /// <summary>When the user last proved who they are, or null.</summary>
        public DateTimeOffset? AuthenticatedAt => Time("authenticated_at");

        /// <summary>The level that the log-in proved, <c>aal1</c> to <c>aal3</c>, or null.</summary>
        public string? Level => Text("level");

        /// <summary>What the log-in proved: names like those of RFC 8176.</summary>
        public IReadOnlyList<string> Methods =>
            _exchange.State?.GetProperty("methods").EnumerateArray().Select(name => name.GetString()!).ToArray() ?? Array.Empty<string>();

        /// <summary>When the session runs out if nobody comes; null where there is none yet.</summary>
        public DateTimeOffset? ExpiresAt => Time("expires_at");

        /// <summary>
        /// Why the session of this browser ended, if it did and the service still knows: <c>logout</c>,
        /// <c>idle_timeout</c>, <c>absolute_timeout</c>, <c>revoked</c>, <c>replaced</c>, <c>token_reuse</c> or <c>limit</c>.
        /// </summary>
        public string? EndReason => _exchange.EndReason;

        /// <summary>This request does not count as activity: polling must not keep a session alive.</summary>
        public bool IsPassive
        {
            get => _exchange.IsPassive;
            set => _exchange.IsPassive = value;
        }

        /// <summary>The names of what the session holds.</summary>
        public IEnumerable<string> Keys => _exchange.Data.Keys.ToList();

        /// <summary>A value, or the type's default where there is none. Changing it takes a <see cref="Set{T}"/>.</summary>
        [return: MaybeNull]
        public T Get<T>(string key) => TryGet<T>(key, out var value) ? value : default;

        /// <summary>A value, if it is there.</summary>
        public bool TryGet<T>(string key, [MaybeNull] out T value)
        {
            if (!_exchange.Data.TryGet(key, out var json))
            {
                value = default!;
                return false;
            }
            value = JsonValue.To<T>(json, key, _json);
            return true;
        }

        /// <summary>Keeps a value as JSON. Where nothing is changed by it, nothing is written.</summary>
        public void Set<T>(string key, T value) => Change(data => data.Set(key, JsonValue.Of(value, key, _json)));

        /// <summary>
        /// Adds to an integer, a missing one counting as 0, and returns the sum as this request sees it. Parallel requests
        /// add up.
        /// </summary>
        public long Increment(string key, long by = 1)
        {
            var sum = 0L;
            Change(data => sum = data.Increment(key, by));
            return sum;
        }

        /// <summary>Takes a value out.</summary>
        public void Remove(string key) => Change(data => data.Remove(key));

        /// <summary>Takes all values out; the user stays logged in.</summary>
        public void Clear() => Change(data => data.Clear());

        /// <summary>
        /// Ties a user to a new session with a new id and token; the one before ends as <c>replaced</c>. Call it after you
        /// checked the password. The data is carried over, unless another user was logged in; with <paramref name="keep"/> of
        /// it these keys alone.
        /// </summary>
        /// <param name="userId">Who it is: 1 to 255 characters.</param>
        /// <param name="remember">The policy's longer timeouts, and a cookie that outlives the browser.</param>
        /// <param name="level">How sure it is who it is, after what was proved: <c>aal1</c>, <c>aal2</c> or <c>aal3</c>.</param>
        /// <param name="methods">What was proved: up to 16 names like those of RFC 8176, "pwd" and "otp" say.</param>
        /// <param name="keep">The keys of the data that come along; null for all.</param>
        /// <param name="cancellationToken">Gives up waiting.</param>
        public Task LoginAsync(
            string userId, bool remember = false, string? level = null, IEnumerable<string>? methods = null,
            IEnumerable<string>? keep = null, CancellationToken cancellationToken = default) =>
            _exchange.CommitAsync(cancellationToken, new Login(userId, remember, level, methods, keep));

        /// <summary>
        /// The user's id, where somebody is logged in, since at most <paramref name="within"/> and at this level at least. Else
        /// it throws a <see cref="SojournException"/> whose code is <c>login-required</c> or
        /// <c>reauthentication-required</c>: uncaught, each is a 401. For a whole endpoint there is <c>RequireLogin</c>.
        /// </summary>
        public string RequireLogin(TimeSpan? within = null, string? level = null)
        {
            var at = AuthenticatedAt?.ToUnixTimeMilliseconds();
            return StepUp.Check(UserId, _exchange.OpenedAt - at, Level, within, level, EndReason, _exchange.Owed);
        }

        /// <summary>
        /// For what goes on for long, as an event stream: its token is cancelled once this session is over, wherever it was
        /// ended, or the browser has hung up.
        /// </summary>
        public SessionEnding UntilEnded() => _exchange.Ending();

        /// <summary>
        /// Allows one <see cref="UseGrantAsync"/> of this action, in the next two minutes if <paramref name="within"/> says
        /// nothing else: after a proof that was given for it alone.
        /// </summary>
        public void GrantOnce(string action, TimeSpan? within = null)
        {
            var now = _exchange.OpenedAt ?? DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
            Set(StepUp.GrantKey(action), now + (long)(within ?? TimeSpan.FromMinutes(2)).TotalMilliseconds);
        }

        /// <summary>
        /// Uses the grant for an action up, before you act: of two requests that use one at once, one gets past this. What was
        /// changed so far is written with it. Throws where there is none, <c>reauthentication-required</c>.
        /// </summary>
        public Task UseGrantAsync(string action, CancellationToken cancellationToken = default) =>
            _exchange.UseGrantAsync(action, cancellationToken);

        /// <summary>Ends the session: its data goes, its token opens nothing any more. What is set afterwards begins a new one.</summary>
        public Task LogoutAsync(CancellationToken cancellationToken = default) => _exchange.CommitAsync(cancellationToken, Wish.Logout);

        /// <summary>Gives the same session a new id and token, at a change of rights. The user, data and timeouts stay.</summary>
        public Task RegenerateAsync(CancellationToken cancellationToken = default) => _exchange.CommitAsync(cancellationToken, Wish.Regenerate);

        /// <summary>Begins a session even if nothing is put in it.</summary>
        public Task StartAsync(CancellationToken cancellationToken = default) => _exchange.CommitAsync(cancellationToken, Wish.Start);

        /// <summary>
        /// Writes now what was changed so far. Otherwise it is written before the answer's first byte, and what is changed
        /// afterwards at the end of the request.
        /// </summary>
        public Task CommitAsync(CancellationToken cancellationToken = default) => _exchange.CommitAsync(cancellationToken);

        /// <summary>Nothing is left to do: the middleware has loaded it.</summary>
        public Task LoadAsync(CancellationToken cancellationToken = default) =>
            cancellationToken.IsCancellationRequested ? Task.FromCanceled(cancellationToken) : Task.CompletedTask;

        bool ISession.TryGetValue(string key, [NotNullWhen(true)] out byte[]? value)
        {
            value = _exchange.Data.TryGet(key, out var json) ? ByteValue.FromJson(json) : null;
            return value != null;
        }

        void ISession.Set(string key, byte[] value)
        {
            if (value == null)
            {
                throw new ArgumentNullException(nameof(value));
            }
            // What was read and is set again keeps its kind: a list that another language keeps stays one.
            var isSame = _exchange.Data.TryGet(key, out var json)
                && ByteValue.FromJson(json) is byte[] held && value.AsSpan().SequenceEqual(held);
            if (!isSame)
            {
                Change(data => data.Set(key, ByteValue.ToJson(value)));
            }
        }

        private void Change(Action<SessionData> change)
        {
            _exchange.CheckChangeable();
            change(_exchange.Data);
            _exchange.NoteChanges();
        }

        private string? Text(string name) => _exchange.State?.GetProperty(name).GetString();

        private DateTimeOffset? Time(string name) =>
            _exchange.State?.GetProperty(name) is JsonElement time && time.ValueKind == JsonValueKind.Number
                ? DateTimeOffset.FromUnixTimeMilliseconds(time.GetInt64())
                : (DateTimeOffset?)null;
    }
}
