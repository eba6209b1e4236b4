using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace Sojourn.AspNetCore.Tests
{
    /// <summary>The vectors that every adapter runs, and what is this one's own.</summary>
    internal static class Vectors
    {
        private static int _passed;
        private static int _failed;

        public static async Task<bool> RunAsync(string folder)
        {
            Tokens(Read(folder, "tokens"));
            Cookies(Read(folder, "cookies"));
            Problems(Read(folder, "problems"));
            await MergesAsync(Read(folder, "merges"));
            Bytes();
            Refusals();
            Console.WriteLine($"{_passed} passed, {_failed} failed");
            return _failed == 0;
        }

        private static void Tokens(JsonElement vectors)
        {
            foreach (var each in vectors.GetProperty("valid").EnumerateArray())
            {
                var token = each.GetProperty("token").GetString()!;
                Check(token, SessionCookie.IsToken(token) && SessionCookie.IdOf(token) == each.GetProperty("id").GetString());
            }
            foreach (var each in vectors.GetProperty("invalid").EnumerateArray())
            {
                Check(each.GetProperty("why").GetString()!, !SessionCookie.IsToken(each.GetProperty("text").GetString()!));
            }
        }

        private static void Cookies(JsonElement vectors)
        {
            foreach (var each in vectors.GetProperty("cases").EnumerateArray())
            {
                var headers = each.GetProperty("headers").EnumerateArray().Select(header => header.GetString()!).ToArray();
                var token = SessionCookie.Find(new StringValues(headers), each.GetProperty("name").GetString()!, out var isAmbiguous);
                var result = isAmbiguous ? "ambiguous" : token == null ? "none" : "token";
                var expected = each.TryGetProperty("token", out var expectedToken) ? expectedToken.GetString() : null;
                Check(each.GetProperty("why").GetString()!, result == each.GetProperty("result").GetString() && token == expected);
            }
        }

        private static void Problems(JsonElement vectors)
        {
            foreach (var each in vectors.GetProperty("problems").EnumerateArray())
            {
                var body = each.GetProperty("body");
                var problem = Problem.Read(each.GetProperty("status").GetInt32(), body);
                Check(
                    each.GetProperty("why").GetString()!,
                    problem?.Code == each.GetProperty("code").GetString() && JsonValue.Same(JsonValue.Parse(problem!.Body()), body));
                var error = new SojournException(problem!.Code, "", problem);
                Check(
                    $"{each.GetProperty("why").GetString()}: what it holds",
                    IsHeld(error.EndReason, body, "end_reason") && IsHeld(error.Keys, body, "keys")
                    && IsHeld(error.Size, body, "size") && IsHeld(error.Limit, body, "limit"));
            }
            foreach (var odd in new[] { "[]", "{}", "1.5", "null", "\"3\"", "[1]" })
            {
                var body = JsonValue.Parse(Encoding.UTF8.GetBytes(
                    $"{{\"type\": \"urn:sojourn:problem:x\", \"keys\": {odd}, \"size\": {odd}, \"limit\": {odd}, \"end_reason\": {odd}}}"));
                var problem = Problem.Read(409, body)!;
                Check(
                    $"{odd} is no number and no text",
                    problem.Size == null && problem.Limit == null && (problem.EndReason == null || odd == "\"3\"")
                    && (problem.Keys == null || odd == "[]"));
            }
            var keys = vectors.GetProperty("keys");
            foreach (var key in keys.GetProperty("valid").EnumerateArray())
            {
                Check("a key", SessionService.Checked(key.GetString()) == key.GetString());
            }
            foreach (var key in keys.GetProperty("invalid").EnumerateArray())
            {
                var text = key.GetString()!;
                Throws<InvalidOperationException>("no key", () => SessionService.Checked(text), text);
            }
        }

        private static bool IsHeld(object? value, JsonElement body, string name)
        {
            using var held = JsonDocument.Parse(JsonSerializer.SerializeToUtf8Bytes(value));
            return body.TryGetProperty(name, out var said) ? JsonValue.Same(held.RootElement, said) : value == null;
        }

        private static async Task MergesAsync(JsonElement vectors)
        {
            var options = new SojournSessionOptions
            {
                Service = Environment.GetEnvironmentVariable("SOJOURN_SERVICE")!,
                Key = Environment.GetEnvironmentVariable("SOJOURN_KEY")!,
            };
            using var service = new SessionService(Options.Create(options), NullLogger<SessionService>.Instance);
            foreach (var each in vectors.GetProperty("cases").EnumerateArray())
            {
                var (begun, begin) = await OpenAsync(service, options, null);
                begin.Set("other", 1);
                Put(begin, each, "base");
                await begin.CommitAsync();
                var token = begun.SetCookie!.Substring(options.CookieName.Length + 1).Split(';')[0];
                var (_, mine) = await OpenAsync(service, options, token);
                var (_, theirs) = await OpenAsync(service, options, token);
                Put(theirs, each, "theirs");
                await theirs.CommitAsync();
                Put(mine, each, "mine");
                await mine.CommitAsync();
                var (_, found) = await OpenAsync(service, options, token);
                var isThere = found.TryGet<JsonElement>("k", out var value);
                Check(
                    each.GetProperty("why").GetString()!,
                    isThere == each.TryGetProperty("merged", out var merged) && (!isThere || JsonValue.Same(value, merged))
                    && found.Get<int>("other") == 1);
            }
        }

        private static async Task<(Exchange, SojournSession)> OpenAsync(SessionService service, SojournSessionOptions options, string? token)
        {
            var exchange = new Exchange(service, options.CookieName, token, new DefaultHttpContext());
            await exchange.OpenAsync();
            return (exchange, new SojournSession(exchange, options.Json));
        }

        private static void Put(SojournSession session, JsonElement sides, string side)
        {
            if (sides.TryGetProperty(side, out var value))
            {
                session.Set("k", value);
            }
            else
            {
                session.Remove("k");
            }
        }

        private static void Bytes()
        {
            var kept = new Dictionary<string, string>
            {
                [""] = "\"\"",
                [Hex("Grüße")] = "\"Grüße\"",
                [Hex("abcd")] = "\"abcd\"",
                [Hex("a\nbc")] = "\"a\\nbc\"",
                [Hex("null")] = "\"null\"",
                [Hex("a\0b")] = "\"a\\u0000b\"",
                ["00000005"] = "5",
                ["ffffffff"] = "-1",
                ["80000000"] = "-2147483648",
                ["00000000"] = "0",
                ["09090908"] = "151587080",
                ["09090909"] = "\"\\t\\t\\t\\t\"",
                ["f48fbfc0"] = "-191905856",
                ["f48fbfbf"] = "\"\\udbff\\udfff\"",
                ["fffe"] = "{\"$bytes\":\"//4=\"}",
                ["ff00000000"] = "{\"$bytes\":\"/wAAAAA=\"}",
            };
            foreach (var (hex, json) in kept)
            {
                Check($"{hex} is kept as {json}", JsonValue.Same(ByteValue.ToJson(FromHex(hex)), Json(json)));
            }
            var random = new Random(1);
            for (var count = 0; count < 20000; count++)
            {
                var bytes = new byte[random.Next(9)];
                random.NextBytes(bytes);
                if (!ByteValue.FromJson(ByteValue.ToJson(bytes))!.SequenceEqual(bytes))
                {
                    Check(BitConverter.ToString(bytes), false);
                }
            }
            Check("bytes come back as they were", true);
            Check("null is not there", ByteValue.FromJson(Json("null")) == null);
            foreach (var text in new[] { "[1,2]", "{\"a\":1}", "true", "1.5", "2147483648", "{\"$bytes\":\"?\"}", "{\"$bytes\":\"\",\"a\":1}" })
            {
                Check($"{text} is read as its text", Encoding.UTF8.GetString(ByteValue.FromJson(Json(text))!) == text);
            }
        }

        private static void Refusals()
        {
            var options = new SojournSessionOptions().Json;
            var refused = new object[]
            {
                1L << 53, -(1L << 53), ulong.MaxValue, 1.2345678901234567890123m, double.NaN, double.PositiveInfinity, Nested(33),
                "\ud800", new[] { "x\udfff" }, new { Text = "\udc00\ud800" }, new Dictionary<string, int> { ["\ud800"] = 1 },
                Circle(), new MemoryStream(), new Action(Refusals), typeof(string),
            };
            foreach (var value in refused)
            {
                var error = Throws<SojournException>($"{value} is refused", () => JsonValue.Of(value, "key", options), null);
                Check($"{value}: {error?.Message}", error?.Message.StartsWith("session[\"key\"] was given ") == true);
            }
            foreach (var value in new object[] { (1L << 53) - 1, 19.99m, 0.1, 1e300, 1.10m, Nested(32), "é", "🌱\ufffd" })
            {
                Check($"{value} is kept", JsonValue.Of(value, "key", options).ValueKind != JsonValueKind.Undefined);
            }
            Throws<SojournException>("a key that is no text", () => new SessionData().Set("\ud800", Json("1")), null);
            Throws<SojournException>("a count's key that is no text", () => new SessionData().Increment("\ud800", 1), null);
            Check("1 is 1.0", JsonValue.Same(Json("1"), Json("1.0")));
            Check("1 is not true", !JsonValue.Same(Json("1"), Json("true")));
            Check("order says nothing", JsonValue.Same(Json("{\"a\":1,\"b\":[2]}"), Json("{\"b\":[2],\"a\":1}")));
            Check("a list's order does", !JsonValue.Same(Json("[1,2]"), Json("[2,1]")));
        }

        private static object Nested(int depth) => depth == 0 ? (object)1 : new[] { Nested(depth - 1) };

        private static object Circle()
        {
            var circle = new Dictionary<string, object>();
            circle["self"] = circle;
            return circle;
        }

        private static void Check(string what, bool isRight)
        {
            if (isRight)
            {
                _passed++;
                return;
            }
            _failed++;
            Console.WriteLine($"FAILED: {what}");
        }

        private static TError? Throws<TError>(string what, Action work, string? secret)
            where TError : Exception
        {
            try
            {
                work();
                Check(what, false);
                return null;
            }
            catch (TError error)
            {
                Check(what, string.IsNullOrEmpty(secret) || !error.ToString().Contains(secret));
                return error;
            }
        }

        private static JsonElement Read(string folder, string name) => JsonValue.Parse(File.ReadAllBytes(Path.Combine(folder, name + ".json")));

        private static JsonElement Json(string text) => JsonValue.Parse(Encoding.UTF8.GetBytes(text));

        private static string Hex(string text) => BitConverter.ToString(Encoding.UTF8.GetBytes(text)).Replace("-", "");

        private static byte[] FromHex(string hex) =>
            Enumerable.Range(0, hex.Length / 2).Select(index => Convert.ToByte(hex.Substring(2 * index, 2), 16)).ToArray();
    }
}
