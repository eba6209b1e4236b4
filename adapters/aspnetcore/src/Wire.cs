using System;
using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>What the service is asked, as it is sent.</summary>
    internal static class Wire
    {
        public static ReadOnlyMemory<byte> Open(string token, VisitorKey? key) => Body(json =>
        {
            json.WriteString("token", token);
            key?.Write(json);
        });

        public static ReadOnlyMemory<byte> Logout(string token, VisitorKey? key) => Body(json =>
        {
            WriteToken(json, token, "active");
            key?.Write(json);
            Wish.Logout.Write(json);
        });

        /// <summary>
        /// `client` is the request of a browser that is to be kept with a session that begins; null where none does. `used` is
        /// the key of a grant that is used up.
        /// </summary>
        public static ReadOnlyMemory<byte> Commit(
            string? token, string status, long? openedAt, VisitorKey? key, bool isPassive, HttpContext? client,
            SessionData.Sent sent, Wish? wish, string? used) => Body(json =>
        {
            WriteToken(json, token, status);
            key?.Write(json);
            if (client != null)
            {
                WriteClient(json, client);
            }
            json.WriteBoolean("passive", isPassive);
            if (openedAt is long at)
            {
                json.WriteNumber("opened_at", at);
            }
            if (wish != Wish.Logout)
            {
                // A log-in takes the data along even where a parallel one has replaced the session meanwhile.
                sent.Write(json, all: wish is Login);
            }
            // One that was given in this very request is nobody else's.
            if (used != null && sent.Loaded.ContainsKey(used))
            {
                json.WriteStartArray("used");
                json.WriteStringValue(used);
                json.WriteEndArray();
            }
            wish?.Write(json);
        });

        /// <summary>`status` is what the service said last of the session that the token opens.</summary>
        private static void WriteToken(Utf8JsonWriter json, string? token, string status)
        {
            json.WriteString("token", token);
            if (token != null)
            {
                json.WriteString("status", status);
            }
        }

        private static void WriteClient(Utf8JsonWriter json, HttpContext context)
        {
            var ip = context.Connection.RemoteIpAddress;
            json.WriteStartObject("client");
            json.WriteString("ip", (ip != null && ip.IsIPv4MappedToIPv6 ? ip.MapToIPv4() : ip)?.ToString());
            json.WriteString("user_agent", context.Request.Headers["User-Agent"].ToString());
            json.WriteEndObject();
        }

        private static ReadOnlyMemory<byte> Body(Action<Utf8JsonWriter> write)
        {
            var buffer = new ArrayBufferWriter<byte>();
            using (var json = new Utf8JsonWriter(buffer))
            {
                json.WriteStartObject();
                write(json);
                json.WriteEndObject();
            }
            return buffer.WrittenMemory;
        }
    }
}
