using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Linq;
using System.Text.Json;

namespace Sojourn.AspNetCore
{
    /// <summary>Values as JSON. What the other languages cannot hold is refused, never changed in silence.</summary>
    internal static class JsonValue
    {
        private const int MaxDepth = 32;

        // JavaScript holds integers exactly up to here.
        private const long MaxInteger = (1L << 53) - 1;

        public static JsonElement Of<T>(T value, string key, JsonSerializerOptions options)
        {
            JsonElement json;
            try
            {
                using var document = JsonDocument.Parse(JsonSerializer.SerializeToUtf8Bytes(value, options));
                json = document.RootElement.Clone();
            }
            catch (Exception error)
            {
                // Whatever kind it is: it may come from a property of the value.
                throw Refuse(key, $"a {typeof(T)} that JSON cannot keep", error);
            }
            Check(json, key, MaxDepth);
            return json;
        }

        /// <summary>
        /// A value as a T. A list may be read as a dictionary whose keys are 0, 1, 2, and an empty one as any object: PHP has
        /// one array for them all.
        /// </summary>
        [return: MaybeNull]
        public static T To<T>(JsonElement json, string key, JsonSerializerOptions options)
        {
            try
            {
                return JsonSerializer.Deserialize<T>(json.GetRawText(), options);
            }
            catch (JsonException) when (json.ValueKind == JsonValueKind.Array && TryAsObject<T>(json, options, out var value))
            {
                return value;
            }
            catch (JsonException error)
            {
                throw new InvalidOperationException($"session[\"{key}\"] is not a {typeof(T)} (at {error.Path}).");
            }
        }

        private static bool TryAsObject<T>(JsonElement list, JsonSerializerOptions options, [MaybeNull] out T value)
        {
            value = default!;
            if (list.GetArrayLength() > 0 && !typeof(T).GetInterfaces().Prepend(typeof(T)).Any(IsDictionary))
            {
                return false;
            }
            var members = list.EnumerateArray().Select((member, index) => $"\"{index}\":{member.GetRawText()}");
            try
            {
                value = JsonSerializer.Deserialize<T>($"{{{string.Join(",", members)}}}", options);
                return true;
            }
            catch (JsonException)
            {
                return false;
            }
        }

        private static bool IsDictionary(Type type) => type.IsGenericType
            && (type.GetGenericTypeDefinition() == typeof(IDictionary<,>) || type.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>));

        public static void CheckKey(string key)
        {
            if (!StrictEncoder.IsUnicode(key))
            {
                throw new SojournException("invalid-data", "A key of the session holds half of a surrogate pair, which is no text.");
            }
        }

        public static JsonElement Parse(ReadOnlyMemory<byte> text)
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.Clone();
        }

        /// <summary>What an answer holds; undefined where it is no JSON.</summary>
        public static JsonElement Read(ReadOnlyMemory<byte> text)
        {
            try
            {
                return Parse(text);
            }
            catch (JsonException)
            {
                return default;
            }
        }

        /// <summary>Whether two values are the same one; an object's order says nothing.</summary>
        public static bool Same(JsonElement left, JsonElement right)
        {
            if (left.ValueKind != right.ValueKind)
            {
                return false;
            }
            switch (left.ValueKind)
            {
                case JsonValueKind.String:
                    return left.ValueEquals(right.GetString());
                case JsonValueKind.Number:
                    // .NET writes 1.0 as 1: no change.
                    return left.GetRawText() == right.GetRawText()
                        || (left.TryGetDecimal(out var one) && right.TryGetDecimal(out var other) && one == other);
                case JsonValueKind.Array:
                    return left.GetArrayLength() == right.GetArrayLength()
                        && left.EnumerateArray().Zip(right.EnumerateArray(), Same).All(same => same);
                case JsonValueKind.Object:
                    return left.EnumerateObject().Count() == right.EnumerateObject().Count()
                        && left.EnumerateObject().All(
                            member => right.TryGetProperty(member.Name, out var theirs) && Same(member.Value, theirs));
                default:
                    return true;
            }
        }

        private static void Check(JsonElement json, string key, int depth)
        {
            if (depth < 0)
            {
                throw Refuse(key, $"a value nested deeper than {MaxDepth} levels");
            }
            switch (json.ValueKind)
            {
                case JsonValueKind.Number:
                    CheckNumber(json, key);
                    break;
                case JsonValueKind.Array:
                    foreach (var member in json.EnumerateArray())
                    {
                        Check(member, key, depth - 1);
                    }
                    break;
                case JsonValueKind.Object:
                    foreach (var member in json.EnumerateObject())
                    {
                        Check(member.Value, key, depth - 1);
                    }
                    break;
            }
        }

        private static void CheckNumber(JsonElement json, string key)
        {
            var text = json.GetRawText();
            if (text.IndexOfAny(new[] { '.', 'e', 'E' }) < 0)
            {
                if (!json.TryGetInt64(out var integer) || integer < -MaxInteger || integer > MaxInteger)
                {
                    throw Refuse(key, "an integer beyond ±(2^53 - 1). Keep it as text");
                }
                return;
            }
            var shortest = json.GetDouble().ToString("R", CultureInfo.InvariantCulture);
            if (json.TryGetDecimal(out var exact)
                && decimal.TryParse(shortest, NumberStyles.Float, CultureInfo.InvariantCulture, out var kept)
                && exact != kept)
            {
                throw Refuse(key, "a number with more digits than a double has. Keep it as text");
            }
        }

        public static SojournException Refuse(string key, string what, Exception? cause = null) =>
            new SojournException("invalid-data", $"session[\"{key}\"] was given {what}.", null, cause);
    }
}
