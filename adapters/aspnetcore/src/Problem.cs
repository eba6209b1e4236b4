using System;
using System.Buffers;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace Sojourn.AspNetCore
{
    /// <summary>A problem as the service sends it and as a browser is told it (RFC 9457).</summary>
    internal sealed class Problem
    {
        private const string Urn = "urn:sojourn:problem:";
        private const long OutageRetryAfter = 2;

        // Of the answer that was to be; what others set for every answer, such as CORS and CSP, stays.
        private static readonly string[] _ofTheAnswer =
        {
            "cache-control", "etag", "expires", "last-modified", "location", "pragma", "set-cookie", "trailer",
            "transfer-encoding",
        };

        public static readonly Problem CrossOrigin = new Problem(
            403, "cross-origin", "From another site",
            "This request came from a page of another origin. If it is yours, name it in TrustedOrigins.");

        public static readonly Problem HiddenOrigin = new Problem(
            403, "cross-origin", "From another site",
            "This request came from a page that hides its origin (Origin: null). If it is yours, send it with Referrer-Policy: "
            + "same-origin in place of no-referrer, and from no sandboxed frame.");

        public static readonly Problem Unavailable = new Problem(
            503, "store-unavailable", "Sessions are not available right now",
            "Try again soon. What this request was to write may be written, or not.");

        /// <summary>Nobody is logged in.</summary>
        public static Problem LoginRequired(string? endReason) => new Problem(
            401, "login-required", "Log in first",
            "This needs somebody who is logged in." + (endReason == null ? "" : $" The session ended: {endReason}."),
            new Dictionary<string, object?> { ["end_reason"] = endReason });

        /// <summary>A cookie's session owes a proof of its key: `nonce` is for that.</summary>
        public static Problem ProofRequired(string nonce) => new Problem(
            401, "proof-required", "The key is not proved", "The session is bound to a key, and the request does not prove it.",
            new Dictionary<string, object?> { ["nonce"] = nonce });

        /// <summary>The same, where one of another key was shown.</summary>
        public static readonly Problem ProofOfOtherKey = new Problem(
            401, "proof-other-key", "The key is not proved", "The proof is of another key than the session's.");

        /// <summary>A log-in is there, and not what is asked for. `owed` is a nonce where a proof of its key would do.</summary>
        public static Problem LoginTooOldOrLow(TimeSpan? within, string? level, string? owed)
        {
            var at = level == null ? "" : $" of level {level}";
            var when = within == null ? "" : FormattableString.Invariant($" in the last {within?.TotalSeconds} seconds");
            return Reauthentication(
                $"This needs a log-in{at}{when}. Log in again, then retry.",
                new Dictionary<string, object?> { ["max_age"] = within?.TotalSeconds, ["level"] = level, ["nonce"] = owed });
        }

        /// <summary>There is no grant for this action.</summary>
        public static Problem ProofWanted(string action) => Reauthentication(
            $"This needs a fresh proof of who you are, for \"{action}\" alone. Give it, then retry.",
            new Dictionary<string, object?> { ["action"] = action });

        private static Problem Reauthentication(string detail, Dictionary<string, object?> members) =>
            new Problem(401, "reauthentication-required", "Log in again", detail, members);

        // The members of every problem; others are what the error holds.
        private static readonly string[] _ofEvery = { "type", "title", "status", "detail" };

        private readonly JsonElement _told;

        public Problem(int status, string code, string title, string detail)
        {
            Status = status;
            Code = code;
            Title = title;
            Detail = detail;
        }

        private Problem(int status, string code, string title, string detail, Dictionary<string, object?> members)
            : this(status, code, title, detail)
        {
            var known = members.Where(each => each.Value != null).ToDictionary(each => each.Key, each => each.Value);
            _told = JsonValue.Parse(JsonSerializer.SerializeToUtf8Bytes(known));
        }

        private Problem(int status, string code, JsonElement told)
            : this(status, code, Text(told, "title") ?? "", Text(told, "detail") ?? "") => _told = told;

        public int Status { get; }

        public string Code { get; }

        public string Title { get; }

        public string Detail { get; }

        /// <summary>Why the session ended: with <c>session-ended</c> and <c>login-required</c>, if known.</summary>
        public string? EndReason => Text(_told, "end_reason");

        /// <summary>The keys that another request changed too: with <c>session-conflict</c>.</summary>
        public IReadOnlyList<string>? Keys =>
            Member(_told, "keys", JsonValueKind.Array) is JsonElement keys
            && keys.EnumerateArray().All(key => key.ValueKind == JsonValueKind.String)
                ? keys.EnumerateArray().Select(key => key.GetString()!).ToList()
                : null;

        /// <summary>How many bytes the session's data would have: with <c>data-too-large</c>.</summary>
        public long? Size => Number(_told, "size");

        /// <summary>
        /// How much is allowed: bytes with <c>data-too-large</c> and <c>body-too-large</c>, sessions with <c>session-limit</c>.
        /// </summary>
        public long? Limit => Number(_told, "limit");

        /// <summary>How many seconds ago the log-in may have been: with <c>reauthentication-required</c>.</summary>
        public double? MaxAge => Member(_told, "max_age", JsonValueKind.Number)?.GetDouble();

        /// <summary>The level that the log-in must have: with <c>reauthentication-required</c>.</summary>
        public string? Level => Text(_told, "level");

        /// <summary>What wants a proof of its own: with <c>reauthentication-required</c>.</summary>
        public string? Action => Text(_told, "action");

        /// <summary>When to try again, in seconds: with <c>session-refused</c>.</summary>
        public long? RetryAfter => Number(_told, "retry_after");

        /// <summary>What the next proof of a key must hold: with some of <c>proof-…</c>, and where a session owes one.</summary>
        public string? Nonce => Text(_told, "nonce");

        /// <summary>Headers for the browser, beside the body, of a cookie's request whose key is not proved; null for a script's.</summary>
        public IReadOnlyDictionary<string, StringValues>? Told { get; private set; }

        /// <summary>The same, with these headers for the browser.</summary>
        public Problem Telling(IReadOnlyDictionary<string, StringValues> told)
        {
            var same = (Problem)MemberwiseClone();
            same.Told = told;
            return same;
        }

        /// <summary>The problem in a body of the service; null where there is none.</summary>
        public static Problem? Read(int status, JsonElement body)
        {
            var type = Text(body, "type") ?? "";
            return type.StartsWith(Urn, StringComparison.Ordinal) && type.Length > Urn.Length
                ? new Problem(status, type.Substring(Urn.Length), body)
                : null;
        }

        /// <summary>The problem as JSON.</summary>
        public byte[] Body()
        {
            var buffer = new ArrayBufferWriter<byte>();
            using (var json = new Utf8JsonWriter(buffer))
            {
                json.WriteStartObject();
                json.WriteString("type", Urn + Code);
                json.WriteString("title", Title);
                json.WriteNumber("status", Status);
                json.WriteString("detail", Detail);
                if (_told.ValueKind == JsonValueKind.Object)
                {
                    foreach (var member in _told.EnumerateObject().Where(member => !_ofEvery.Contains(member.Name)))
                    {
                        member.WriteTo(json);
                    }
                }
                json.WriteEndObject();
            }
            return buffer.WrittenSpan.ToArray();
        }

        /// <summary>Answers with the problem, in place of the application. `vary` are the headers that a session depends on.</summary>
        public async Task SendAsync(HttpContext context, IHttpResponseBodyFeature body, string vary)
        {
            var response = context.Response;
            foreach (var name in response.Headers.Keys.ToList())
            {
                var lower = name.ToLowerInvariant();
                var isContent = lower.StartsWith("content-", StringComparison.Ordinal)
                    && !lower.StartsWith("content-security-policy", StringComparison.Ordinal);
                if (isContent || _ofTheAnswer.Contains(lower))
                {
                    response.Headers.Remove(name);
                }
            }
            var bytes = Body();
            response.StatusCode = Status;
            context.Features.Get<IHttpResponseFeature>()!.ReasonPhrase = null;
            response.ContentType = "application/problem+json";
            response.ContentLength = bytes.Length;
            response.Headers["Cache-Control"] = "no-store";
            if (Challenge.IsFor(Code))
            {
                Challenge.Write(this, response.Headers);
            }
            else if (Nonce != null)
            {
                response.Headers["DPoP-Nonce"] = Nonce;
            }
            response.Headers["X-Content-Type-Options"] = "nosniff";
            Caches.Depend(context, vary);
            if ((Status == 503 ? OutageRetryAfter : RetryAfter) is long wait)
            {
                response.Headers["Retry-After"] = wait.ToString(CultureInfo.InvariantCulture);
            }
            if (!HttpMethods.IsHead(context.Request.Method))
            {
                await body.Stream.WriteAsync(bytes, 0, bytes.Length);
            }
        }

        private static JsonElement? Member(JsonElement body, string name, JsonValueKind kind) =>
            body.ValueKind == JsonValueKind.Object && body.TryGetProperty(name, out var value) && value.ValueKind == kind
                ? value
                : (JsonElement?)null;

        private static string? Text(JsonElement body, string name) => Member(body, name, JsonValueKind.String)?.GetString();

        private static long? Number(JsonElement body, string name) =>
            Member(body, name, JsonValueKind.Number) is JsonElement value && value.TryGetInt64(out var number) ? number : (long?)null;
    }
}
