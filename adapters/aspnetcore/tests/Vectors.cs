using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Primitives;

namespace Sojourn.AspNetCore.Tests
{
    /// <summary>The vectors that every adapter runs, and what is this one's own.</summary>
    internal static class Vectors
    {
        private static int _passed;
        private static int _failed;

        public static bool Run(string folder)
        {
            Tokens(Read(folder, "tokens"));
            Cookies(Read(folder, "cookies"));
            Problems(Read(folder, "problems"));
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
            };
            foreach (var value in refused)
            {
                Throws<SojournException>($"{value} is refused", () => JsonValue.Of(value, "key", options), null);
            }
            foreach (var value in new object[] { (1L << 53) - 1, 19.99m, 0.1, 1e300, 1.10m, Nested(32), "é" })
            {
                Check($"{value} is kept", JsonValue.Of(value, "key", options).ValueKind != JsonValueKind.Undefined);
            }
            Check("1 is 1.0", JsonValue.Same(Json("1"), Json("1.0")));
            Check("1 is not true", !JsonValue.Same(Json("1"), Json("true")));
            Check("order says nothing", JsonValue.Same(Json("{\"a\":1,\"b\":[2]}"), Json("{\"b\":[2],\"a\":1}")));
            Check("a list's order does", !JsonValue.Same(Json("[1,2]"), Json("[2,1]")));
        }

        private static object Nested(int depth) => depth == 0 ? (object)1 : new[] { Nested(depth - 1) };

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

        private static void Throws<TError>(string what, Action work, string? secret)
            where TError : Exception
        {
            try
            {
                work();
                Check(what, false);
            }
            catch (TError error)
            {
                Check(what, string.IsNullOrEmpty(secret) || !error.ToString().Contains(secret));
            }
        }

        private static JsonElement Read(string folder, string name) => JsonValue.Parse(File.ReadAllBytes(Path.Combine(folder, name + ".json")));

        private static JsonElement Json(string text) => JsonValue.Parse(Encoding.UTF8.GetBytes(text));

        private static string Hex(string text) => BitConverter.ToString(Encoding.UTF8.GetBytes(text)).Replace("-", "");

        private static byte[] FromHex(string hex) =>
            Enumerable.Range(0, hex.Length / 2).Select(index => Convert.ToByte(hex.Substring(2 * index, 2), 16)).ToArray();
    }
}
