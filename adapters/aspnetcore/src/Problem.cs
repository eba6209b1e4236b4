using System;
using System.Buffers;
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

        public Problem(int status, string code, string title, string detail, string? endReason = null)
        {
            Status = status;
            Code = code;
            Title = title;
            Detail = detail;
            EndReason = endReason;
        }

        public int Status { get; }

        public string Code { get; }

        public string Title { get; }

        public string Detail { get; }

        public string? EndReason { get; }

        /// <summary>The problem in a body of the service; null where there is none.</summary>
        public static Problem? Read(int status, JsonElement body)
        {
            var type = Text(body, "type") ?? "";
            return type.StartsWith(Urn, StringComparison.Ordinal) && type.Length > Urn.Length
                ? new Problem(
                    status, type.Substring(Urn.Length), Text(body, "title") ?? "", Text(body, "detail") ?? "", Text(body, "end_reason"))
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
                if (EndReason != null)
                {
                    json.WriteString("end_reason", EndReason);
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
            Caches.Depend(context);
            if (Status == 503)
            {
                response.Headers["Retry-After"] = RetryAfter;
            }
            if (!HttpMethods.IsHead(context.Request.Method))
            {
                await body.Stream.WriteAsync(bytes, 0, bytes.Length);
            }
        }

        private static string? Text(JsonElement body, string name) =>
            body.ValueKind == JsonValueKind.Object && body.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
                ? value.GetString()
                : null;
    }
}
