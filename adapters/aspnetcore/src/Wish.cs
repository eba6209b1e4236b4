using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;

namespace Sojourn.AspNetCore
{
    /// <summary>What a commit is to do besides the changes: the wire's action.</summary>
    internal class Wish
    {
        public static readonly Wish Start = new Wish("start");
        public static readonly Wish Logout = new Wish("logout");
        public static readonly Wish Regenerate = new Wish("regenerate");

        private readonly string _type;

        protected Wish(string type) => _type = type;

        public void Write(Utf8JsonWriter json)
        {
            json.WriteStartObject("action");
            json.WriteString("type", _type);
            WriteMore(json);
            json.WriteEndObject();
        }

        protected virtual void WriteMore(Utf8JsonWriter json)
        {
        }
    }

    /// <summary>A log-in, judged when it is asked for.</summary>
    internal sealed class Login : Wish
    {
        private const int MostMethods = 16;

        private readonly bool _remember;
        private readonly string? _level;
        private readonly string[] _methods;

        /// <summary>`keep`: the keys of the data that come along; null for all.</summary>
        public Login(string userId, bool remember, string? level, IEnumerable<string>? methods, IEnumerable<string>? keep)
            : base("login")
        {
            if (string.IsNullOrEmpty(userId) || userId.Length > 255)
            {
                throw new ArgumentException("Give text of 1 to 255 characters: user.Id.ToString(), say.", nameof(userId));
            }
            StepUp.CheckLevel(level);
            _methods = methods?.ToArray() ?? Array.Empty<string>();
            if (_methods.Length > MostMethods || !_methods.All(IsMethod))
            {
                throw new ArgumentException("Give up to 16 names like those of RFC 8176: \"pwd\" and \"otp\", say.", nameof(methods));
            }
            UserId = userId;
            _remember = remember;
            _level = level;
            Keep = keep?.ToList();
        }

        public string UserId { get; }

        public IReadOnlyCollection<string>? Keep { get; }

        protected override void WriteMore(Utf8JsonWriter json)
        {
            json.WriteString("user_id", UserId);
            json.WriteBoolean("remember", _remember);
            json.WriteString("level", _level);
            WriteNames(json, "methods", _methods);
            if (Keep != null)
            {
                WriteNames(json, "keep", Keep);
            }
        }

        private static bool IsMethod(string name) => name.Length >= 1 && name.Length <= 32 && name.All(each => each >= '!' && each <= '~');

        private static void WriteNames(Utf8JsonWriter json, string name, IEnumerable<string> values)
        {
            json.WriteStartArray(name);
            foreach (var value in values)
            {
                json.WriteStringValue(value);
            }
            json.WriteEndArray();
        }
    }
}
