using System;
using System.Collections.Generic;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>CSRF: whether an unsafe request came from the application's own pages.</summary>
    internal sealed class OriginCheck
    {
        private static readonly Regex _origin =
            new Regex(@"\A(https?)://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?\z");

        private readonly HashSet<string> _trusted = new HashSet<string>();

        /// <summary>Checks the origins: scheme, host and port, exactly as a browser spells them.</summary>
        public OriginCheck(IEnumerable<string> trusted)
        {
            foreach (var origin in trusted)
            {
                var match = _origin.Match(origin);
                var (scheme, port) = (match.Groups[1].Value, match.Groups[2].Value);
                var isUnsaid = (scheme, port) == ("http", "80") || (scheme, port) == ("https", "443");
                if (!match.Success || isUnsaid || (port.Length == 5 && int.Parse(port) > 65535))
                {
                    throw new InvalidOperationException($"TrustedOrigins has \"{origin}\": write it like \"https://app.example.com\".");
                }
                _trusted.Add(origin);
            }
        }

        /// <summary>
        /// Whether this request must be refused as another site's doing: Sec-Fetch-Site first, then Origin against Host.
        /// A request with neither is no browser's, and allowed. <c>same-site</c> is refused: siblings are not trusted. A
        /// WebSocket handshake is a GET that changes things, and Origin alone speaks for it.
        /// </summary>
        public bool IsCrossOrigin(HttpRequest request)
        {
            var headers = request.Headers;
            var isHandshake = headers.ContainsKey("Upgrade") || request.Method == "CONNECT";
            if (!isHandshake && (request.Method == "GET" || request.Method == "HEAD" || request.Method == "OPTIONS"))
            {
                return false;
            }
            var hasOrigin = headers.TryGetValue("Origin", out var origins);
            var origin = origins.ToString();
            if (hasOrigin && _trusted.Contains(origin))
            {
                return false;
            }
            if (!isHandshake && headers.TryGetValue("Sec-Fetch-Site", out var site))
            {
                return site != "same-origin" && site != "none";
            }
            return hasOrigin && !IsSameHost(origin, request.Host.Value);
        }

        private static bool IsSameHost(string origin, string? host)
        {
            var authority = origin.StartsWith("https://", StringComparison.Ordinal) ? origin.Substring(8)
                : origin.StartsWith("http://", StringComparison.Ordinal) ? origin.Substring(7)
                : null;
            // As URLs are compared: a port that the scheme means anyway may be said or not.
            var unsaid = origin.StartsWith("https", StringComparison.Ordinal) ? ":443" : ":80";
            string Bare(string text) => text.EndsWith(unsaid, StringComparison.Ordinal) ? text.Substring(0, text.Length - unsaid.Length) : text;
            return authority != null && host != null && Bare(authority) == Bare(host.ToLowerInvariant());
        }
    }
}
