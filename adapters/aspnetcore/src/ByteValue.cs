using System;
using System.Buffers.Binary;
using System.Linq;
using System.Text;
using System.Text.Json;

namespace Sojourn.AspNetCore
{
    /// <summary>The bytes that ISession holds, as JSON that other languages read; every byte[] comes back as it was.</summary>
    internal static class ByteValue
    {
        private const string Binary = "$bytes";

        private static readonly UTF8Encoding _utf8 = new UTF8Encoding(false, throwOnInvalidBytes: true);

        /// <summary>
        /// Text where it is UTF-8, as SetString makes it; four bytes that are no text are SetInt32's, a number; anything
        /// else is <c>{"$bytes": "base64"}</c>.
        /// </summary>
        public static JsonElement ToJson(byte[] bytes)
        {
            var text = Text(bytes);
            if (bytes.Length == sizeof(int) && (text == null || text.Any(IsControl)))
            {
                return Encode(BinaryPrimitives.ReadInt32BigEndian(bytes));
            }
            if (text != null)
            {
                return Encode(text);
            }
            return JsonValue.Parse(Encoding.ASCII.GetBytes($"{{\"{Binary}\":\"{Convert.ToBase64String(bytes)}\"}}"));
        }

        /// <summary>
        /// What <see cref="ToJson"/> was given. Of what others keep: an integer of 32 bits is GetInt32's, null is not there,
        /// and anything else is its JSON text.
        /// </summary>
        public static byte[]? FromJson(JsonElement json)
        {
            switch (json.ValueKind)
            {
                case JsonValueKind.Null:
                    return null;
                case JsonValueKind.String:
                    return Encoding.UTF8.GetBytes(json.GetString() ?? "");
                case JsonValueKind.Number when json.TryGetInt32(out var number):
                    var bytes = new byte[sizeof(int)];
                    BinaryPrimitives.WriteInt32BigEndian(bytes, number);
                    return bytes;
                case JsonValueKind.Object when json.EnumerateObject().Count() == 1
                        && json.TryGetProperty(Binary, out var base64)
                        && base64.ValueKind == JsonValueKind.String
                        && base64.TryGetBytesFromBase64(out var binary):
                    return binary;
                default:
                    return Encoding.UTF8.GetBytes(json.GetRawText());
            }
        }

        // A tab and a line break are text's.
        private static bool IsControl(char letter) => letter < ' ' && letter != '\t' && letter != '\n' && letter != '\r';

        private static string? Text(byte[] bytes)
        {
            try
            {
                return _utf8.GetString(bytes);
            }
            catch (ArgumentException)
            {
                return null;
            }
        }

        private static JsonElement Encode<T>(T value) => JsonValue.Parse(JsonSerializer.SerializeToUtf8Bytes(value));
    }
}
