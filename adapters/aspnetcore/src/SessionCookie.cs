using System;
using System.Collections.Generic;
using Microsoft.Extensions.Primitives;

namespace Sojourn.AspNetCore
{
    /// <summary>The cookie that carries the token.</summary>
    internal static class SessionCookie
    {
        private const string Prefix = "sj1-";
        private const int IdEnd = 36;
        private const int Length = 101;

        private static readonly char[] _blanks = { ' ', '\t' };

        /// <summary>
        /// The tokens in a request's Cookie headers, in their order: several where the cookie's domain or path was changed, or
        /// a sibling host plants one. Names are compared raw: neither <c>%5F%5FHost-</c> nor <c>..Host-</c> is <c>__Host-</c>.
        /// </summary>
        public static IReadOnlyList<string> Find(StringValues headers, string name)
        {
            var values = new List<string>();
            foreach (var header in headers)
            {
                foreach (var pair in (header ?? "").Split(';'))
                {
                    var equals = pair.IndexOf('=');
                    if (equals < 0 || pair.Substring(0, equals).Trim(_blanks) != name)
                    {
                        continue;
                    }
                    var value = pair.Substring(equals + 1).Trim(_blanks);
                    if (IsToken(value) && !values.Contains(value))
                    {
                        values.Add(value);
                    }
                }
            }
            return values;
        }

        public static bool IsToken(string text)
        {
            if (text.Length != Length || !text.StartsWith(Prefix, StringComparison.Ordinal) || text[IdEnd] != '-')
            {
                return false;
            }
            for (var index = Prefix.Length; index < Length; index++)
            {
                var digit = text[index];
                if (index != IdEnd && (digit < '0' || digit > '9') && (digit < 'a' || digit > 'f'))
                {
                    return false;
                }
            }
            return true;
        }

        /// <summary>The session's public id, in a token.</summary>
        public static string IdOf(string token) => token.Substring(Prefix.Length, IdEnd - Prefix.Length);
    }
}
