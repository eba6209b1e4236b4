using System;
using System.Buffers;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Sojourn.AspNetCore
{
    /// <summary>A problem as the service sends it and as a browser is told it (RFC 9457).</summary>
    internal sealed class Problem
    {
        private const string Urn = "urn:sojourn:problem:";
        private const string RetryAfter = "2";

        // Of the answer that was to be; what others set for every answer, such as CORS and CSP, stays.
        private static readonly string[] _ofTheAnswer =
        {
            "cache-control", "etag", "expires", "last-modified", "location", "pragma", "set-cookie", "trailer",
            "transfer-encoding",
        };

        public static readonly Problem Ambiguous = new Problem(
            400, "ambiguous-token", "Two tokens",
            "The request holds two cookies of the session's name with different values. Send one of them.");

        public static readonly Problem CrossOrigin = new Problem(
            403, "cross-origin", "From another site",
            "This request came from a page of another origin. If it is yours, name it in TrustedOrigins.");

        public static readonly Problem Unavailable = new Problem(
            503, "store-unavailable", "Sessions are not available right now",
            "Try again soon. What this request was to write may be written, or not.");

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

        private Problem(int status, string code, JsonElement told)
            : this(status, code, Text(told, "title") ?? "", Text(told, "detail") ?? "") => _told = told;

        public int Status { get; }

        public string Code { get; }

        public string Title { get; }

        public string Detail { get; }

        /// <summary>Why the session ended: with <c>session-ended</c>, where the service still knows.</summary>
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

        /// <summary>Answers with the problem, in place of the application.</summary>
        public async Task SendAsync(HttpContext context, IHttpResponseBodyFeature body)
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
            Vary.AddCookie(response.Headers);
            if (Status == 503)
            {
                response.Headers["Retry-After"] = RetryAfter;
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
