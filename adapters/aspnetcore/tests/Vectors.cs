using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
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
            Origins(Read(folder, "origins"));
            PublicOrigins();
            StepUps(Read(folder, "step_up"));
            await MergesAsync(Read(folder, "merges"));
            await EndsAsync(Read(folder, "ends"));
            Batches(Read(folder, "batches"));
            Devices(Read(folder, "devices"));
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
                var tokens = SessionCookie.Find(new StringValues(headers), each.GetProperty("name").GetString()!);
                var expected = each.GetProperty("tokens").EnumerateArray().Select(token => token.GetString());
                Check(each.GetProperty("why").GetString()!, tokens.SequenceEqual(expected));
            }
            foreach (var each in vectors.GetProperty("clearing").EnumerateArray())
            {
                string Of(string name) => each.GetProperty(name).GetString()!;
                var lines = CookieVariants.Clearing(Of("name"), Of("host"), Of("path"));
                Check(Of("why"), lines.SequenceEqual(each.GetProperty("lines").EnumerateArray().Select(line => line.GetString()!)));
            }
        }

        private static void Devices(JsonElement vectors)
        {
            static DeviceKey KeyOf(JsonElement each)
            {
                var request = new DefaultHttpContext().Request;
                if (each.TryGetProperty("target", out var target))
                {
                    request.Method = each.GetProperty("method").GetString()!;
                    request.HttpContext.Features.Get<IHttpRequestFeature>()!.RawTarget = target.GetString()!;
                }
                foreach (var header in each.GetProperty("headers").EnumerateObject())
                {
                    request.Headers[header.Name] = header.Value.GetString();
                }
                var name = each.TryGetProperty("cookie", out var cookie) ? cookie.GetString()! : "__Host-session";
                return new DeviceKey(new BoundCookies(name), request);
            }
            foreach (var each in vectors.GetProperty("shown").EnumerateArray())
            {
                var stream = new MemoryStream();
                using (var json = new Utf8JsonWriter(stream))
                {
                    json.WriteStartObject();
                    KeyOf(each).Write(json);
                    json.WriteEndObject();
                }
                var device = each.GetProperty("device");
                var expected = device.ValueKind == JsonValueKind.Null ? "{}" : $"{{\"device\":{device.GetRawText()}}}";
                var told = Encoding.UTF8.GetString(stream.ToArray());
                Check($"handed on: {each.GetProperty("why")}: {told}", JsonValue.Same(Json(told), Json(expected)));
            }
            foreach (var each in vectors.GetProperty("refused").EnumerateArray())
            {
                var headers = new HeaderDictionary();
                Challenge.Write(KeyOf(each).Refused(new Problem(401, each.GetProperty("code").GetString()!, "", "")), headers);
                var cookies = headers["Set-Cookie"];
                var told = cookies.Count > 0 ? "forget" : headers["Refresh"] == "0" ? "again" : "nothing";
                Check($"not proved: {each.GetProperty("why")}", told == each.GetProperty("told").GetString());
                Check("nothing else is told", headers.Count == (told == "nothing" ? 0 : 1));
                Check("it is the session's", cookies.All(line => line!.StartsWith("__Host-session=; Max-Age=0; ")));
            }
        }

        private static void Batches(JsonElement vectors)
        {
            foreach (var each in vectors.GetProperty("sent").EnumerateArray())
            {
                var calls = each.GetProperty("calls").EnumerateArray().SelectMany(call => call.EnumerateObject())
                    .Select(call => new ServiceCall(call.Name, Encoding.UTF8.GetBytes(Compact(call.Value)), isRepeatable: false));
                var body = Encoding.UTF8.GetString(AspNetCore.Batches.Body(calls));
                Check(each.GetProperty("why").GetString()!, body == each.GetProperty("body").GetString());
            }
            foreach (var each in vectors.GetProperty("answered").EnumerateArray())
            {
                var told = each.GetProperty("told").EnumerateArray().ToArray();
                var calls = told.Select(_ => new ServiceCall("open", default, isRepeatable: true)).ToArray();
                var answers = new BatchAnswers(calls);
                var bytes = Encoding.UTF8.GetBytes(string.Concat(each.GetProperty("pieces").EnumerateArray().Select(piece => piece.GetString())));
                var step = each.TryGetProperty("each_byte", out _) ? 1 : bytes.Length;
                try
                {
                    for (var at = 0; at < bytes.Length; at += step)
                    {
                        answers.Hear(bytes.AsSpan(at, step));
                    }
                }
                catch (IOException)
                {
                    // It is no answer.
                }
                Check(each.GetProperty("why").GetString()!, calls.Zip(told, IsTold).All(isTold => isTold));
            }
        }

        private static bool IsTold(ServiceCall call, JsonElement told)
        {
            if (told.ValueKind == JsonValueKind.Null)
            {
                return !call.IsSettled;
            }
            return call.IsSettled && call.Outcome.Result.Answer is var (status, answer)
                && (int)status == told.GetProperty("status").GetInt32() && JsonValue.Same(answer, told.GetProperty("answer"));
        }

        private static string Compact(JsonElement value)
        {
            using var stream = new MemoryStream();
            using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
            {
                value.WriteTo(json);
            }
            return Encoding.UTF8.GetString(stream.ToArray());
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
                    && IsHeld(error.Size, body, "size") && IsHeld(error.Limit, body, "limit")
                    && IsHeld(error.MaxAge?.TotalSeconds, body, "max_age") && IsHeld(error.Level, body, "level") && IsHeld(error.Action, body, "action")
                    && IsHeld(error.RetryAfter?.TotalSeconds, body, "retry_after"));
            }
            foreach (var odd in new[] { "[]", "{}", "1.5", "null", "\"3\"", "[1]" })
            {
                var body = JsonValue.Parse(Encoding.UTF8.GetBytes(
                    $"{{\"type\": \"urn:sojourn:problem:x\", \"keys\": {odd}, \"size\": {odd}, \"limit\": {odd}, \"end_reason\": {odd}, \"retry_after\": {odd}}}"));
                var problem = Problem.Read(409, body)!;
                Check(
                    $"{odd} is no number and no text",
                    problem.Size == null && problem.Limit == null && problem.RetryAfter == null && (problem.EndReason == null || odd == "\"3\"")
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

        private static void StepUps(JsonElement vectors)
        {
            foreach (var each in vectors.GetProperty("cases").EnumerateArray())
            {
                string? Text(string name) => each.GetProperty(name).GetString();
                var (asked, ago) = (each.GetProperty("asked"), each.GetProperty("ago"));
                var within = asked.TryGetProperty("within", out var seconds) ? TimeSpan.FromSeconds(seconds.GetDouble()) : (TimeSpan?)null;
                var level = asked.TryGetProperty("level", out var name) ? name.GetString() : null;
                var since = ago.ValueKind == JsonValueKind.Null ? (long?)null : ago.GetInt64();
                JsonElement? told = null;
                try
                {
                    Check(Text("why")!, StepUp.Check(Text("user_id"), since, Text("proved"), within, level, Text("end_reason")) == Text("user_id"));
                }
                catch (SojournException error)
                {
                    var members = JsonValue.Parse(error.Problem!.Body()).EnumerateObject()
                        .Where(member => !new[] { "type", "title", "status", "detail" }.Contains(member.Name))
                        .ToDictionary(member => member.Name, member => (object)member.Value);
                    members["code"] = error.Code;
                    told = Json(JsonSerializer.Serialize(members));
                    Check($"{Text("why")}: a 401", error.StatusCode == 401);
                }
                var problem = each.GetProperty("problem");
                Check(
                    Text("why")! + ": as it should",
                    told is JsonElement said ? JsonValue.Same(said, problem) : problem.ValueKind == JsonValueKind.Null);
            }
            foreach (var isValid in new[] { true, false })
            {
                IEnumerable<JsonElement> Of(string name) => vectors.GetProperty(name).GetProperty(isValid ? "valid" : "invalid").EnumerateArray();
                foreach (var level in Of("levels"))
                {
                    Check($"the level {level}", Succeeds(() => new Login("ada", false, level.GetString(), null, null)) == isValid);
                }
                foreach (var methods in Of("methods"))
                {
                    var names = methods.EnumerateArray().Select(method => method.GetString()!);
                    Check($"the methods {methods}", Succeeds(() => new Login("ada", false, null, names, null)) == isValid);
                }
            }
        }

        private static bool Succeeds(Func<object> work)
        {
            try
            {
                work();
                return true;
            }
            catch (ArgumentException)
            {
                return false;
            }
        }

        private static void Origins(JsonElement vectors)
        {
            foreach (var each in vectors.GetProperty("valid").EnumerateArray())
            {
                Check($"{each} may be trusted", new OriginCheck(new[] { each.GetString()! }, Array.Empty<string>()) != null);
            }
            foreach (var each in vectors.GetProperty("invalid").EnumerateArray())
            {
                Throws<InvalidOperationException>($"{each} may be no trusted origin", () => new OriginCheck(new[] { each.GetString()! }, Array.Empty<string>()), null);
            }
        }

        private static void PublicOrigins()
        {
            foreach (var odd in new[] { "", "app.example.com", "https://app.example.com/", "https://App.example.com", "https://app.example.com:443", "capacitor://localhost" })
            {
                var options = new SojournSessionOptions { ScriptReadableTokens = true, PublicOrigin = odd };
                Throws<InvalidOperationException>($"{odd} may be no public origin", () => new Transport(options), null);
            }
            var inVain = new SojournSessionOptions { PublicOrigin = "https://app.example.com" };
            Throws<InvalidOperationException>("a public origin, and no tokens that scripts hold", () => new Transport(inVain), null);
            // As it came; what PathBase and Path are then; the path that the browser asked for.
            foreach (var (target, pathBase, path, asked) in new[]
            {
                ("/", "", "/", "/"),
                ("/notes/%C3%A4?a=1", "", "/notes/ä", "/notes/%C3%A4"),
                ("/notes/a%2Fb%2541", "", "/notes/a%2Fb%41", "/notes/a%2Fb%2541"),
                ("/shop/notes", "/shop", "/notes", "/shop/notes"),
                ("/shop", "/shop", "", "/shop"),
                ("/notes/%C3%A4", "/shop", "/notes/ä", "/shop/notes/%C3%A4"),
                ("/shop/notes", "/shop", "/shop/notes", "/shop/shop/notes"),
                ("/rewritten?a=1", "", "/index", "/rewritten"),
                ("http://inner.example:8080/notes?a=1", "", "/notes", "/notes"),
                ("http://inner.example", "", "/", "/"),
                ("*", "", "", "/"),
                ("inner.example:80", "", "", "/"),
            })
            {
                var request = new DefaultHttpContext().Request;
                request.HttpContext.Features.Get<IHttpRequestFeature>()!.RawTarget = target;
                (request.PathBase, request.Path) = (pathBase, path);
                var url = new PublicOrigin("https://app.example.com:8443").UrlOf(request);
                Check($"{target} below {pathBase}: {url}", url == "https://app.example.com:8443" + asked);
            }
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
                var token = begun.Reply.Cookies.Single().Substring(options.CookieName.Length + 1).Split(';')[0];
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

        private static async Task EndsAsync(JsonElement vectors)
        {
            var options = new SojournSessionOptions
            {
                Service = Environment.GetEnvironmentVariable("SOJOURN_SERVICE")!,
                Key = Environment.GetEnvironmentVariable("SOJOURN_KEY")!,
            };
            using var service = new SessionService(Options.Create(options), NullLogger<SessionService>.Instance);
            foreach (var each in vectors.GetProperty("cases").EnumerateArray())
            {
                // Of her own in each case, for a user may have a few sessions alone.
                var ada = "ada-" + Guid.NewGuid();
                string? Text(string name) => each.TryGetProperty(name, out var value) ? value.GetString() : null;
                var (begun, begin) = await OpenAsync(service, options, null);
                begin.Set("kept", 1);
                await begin.LoginAsync(ada);
                var token = TokenIn(begun.Reply.Cookies.Single())!;
                if (Text("before") == "ended")
                {
                    await (await OpenAsync(service, options, token)).Item2.LogoutAsync();
                }
                var shown = Text("before") == "none" ? token.Substring(0, token.Length - 64) + new string('0', 64) : token;
                var (exchange, session) = await OpenAsync(service, options, shown);
                if (Text("meanwhile") is string meanwhile)
                {
                    await ActAsync((await OpenAsync(service, options, token)).Item2, meanwhile, ada);
                }
                SojournException? refusal = null;
                try
                {
                    await ActAsync(session, Text("does")!, ada);
                }
                catch (SojournException error)
                {
                    refusal = error;
                }
                var has = exchange.Reply.Cookies.Any() ? TokenIn(exchange.Reply.Cookies.Single()) : shown;
                var (_, found) = await OpenAsync(service, options, has);
                var data = found.Keys.ToDictionary(key => key, key => found.Get<int>(key));
                var expected = each.GetProperty("session");
                var isThere = expected.ValueKind == JsonValueKind.Object;
                Check(
                    Text("why")!,
                    (refusal == null ? "done" : "refused") == Text("result")
                    && (refusal == null || (refusal.Code == "session-ended" && refusal.EndReason == Text("end_reason")))
                    && (has == null ? "cleared" : has == shown ? "nothing" : "new") == Text("cookie")
                    && !found.Id.StartsWith("new-", StringComparison.Ordinal) == isThere
                    && (!isThere || (found.UserId == (expected.GetProperty("user_id").GetString() == null ? null : ada)
                        && JsonValue.Same(Json(JsonSerializer.Serialize(data)), expected.GetProperty("data")))));
            }
        }

        private static Task ActAsync(SojournSession session, string what, string ada)
        {
            switch (what)
            {
                case "change":
                    session.Set("a", 1);
                    return session.CommitAsync();
                case "increment":
                    session.Increment("a");
                    return session.CommitAsync();
                case "regenerate":
                    return session.RegenerateAsync();
                case "login":
                    return session.LoginAsync(ada);
                default:
                    return session.LogoutAsync();
            }
        }

        /// <summary>The token in a Set-Cookie header; null where it takes the cookie away.</summary>
        private static string? TokenIn(string setCookie)
        {
            var value = setCookie.Substring(setCookie.IndexOf('=') + 1).Split(';')[0];
            return value == "" ? null : value;
        }

        private static async Task<(Exchange, SojournSession)> OpenAsync(SessionService service, SojournSessionOptions options, string? token)
        {
            var shown = new Shown(token == null ? Array.Empty<string>() : new[] { token });
            var exchange = new Exchange(service, new Transport(options), new DefaultHttpContext(), shown);
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
