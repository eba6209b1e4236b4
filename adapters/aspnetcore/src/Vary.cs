using System;
using System.Linq;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>The Vary header: what caches must know of an answer that depends on the session.</summary>
    internal static class Vary
    {
        public static void AddCookie(IHeaderDictionary headers)
        {
            var names = headers["Vary"].SelectMany(header => (header ?? "").Split(',')).Select(name => name.Trim());
            if (!names.Any(name => name == "*" || name.Equals("Cookie", StringComparison.OrdinalIgnoreCase)))
            {
                headers.Append("Vary", "Cookie");
            }
        }
    }
}
