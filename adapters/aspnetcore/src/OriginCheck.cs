using System;
using System.Collections.Generic;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>CSRF: whether an unsafe request came from the application's own pages.</summary>
    internal sealed class OriginCheck
    {
        // An app in a shell has an origin of its own scheme: capacitor://localhost, chrome-extension://…
        private static readonly Regex _origin =
            new Regex(@"\A([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?\z");

        private static readonly Regex _host = new Regex(@"\A([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{0,5}))?\z", RegexOptions.IgnoreCase);
        private static readonly Regex _path = new Regex(@"\A/[^\s?#*]+\z");

        private readonly HashSet<string> _trusted = new HashSet<string>();
        private readonly HashSet<string> _crossSitePaths = new HashSet<string>(StringComparer.Ordinal);

        /// <summary>Checks the origins: scheme, host and port, exactly as a browser spells them; and the paths.</summary>
        public OriginCheck(IEnumerable<string> trusted, IEnumerable<string> crossSitePaths)
        {
            foreach (var path in crossSitePaths)
            {
                if (!_path.IsMatch(path))
                {
                    throw new InvalidOperationException($"CrossSitePaths has \"{path}\": give whole paths, such as \"/auth/callback\".");
                }
                _crossSitePaths.Add(path);
            }
            foreach (var origin in trusted)
            {
                if (!IsOrigin(origin))
                {
                    throw new InvalidOperationException($"TrustedOrigins has \"{origin}\": write it like \"https://app.example.com\".");
                }
                _trusted.Add(origin);
            }
        }

        /// <summary>Whether it is scheme, host and port, as a browser spells them.</summary>
        public static bool IsOrigin(string text)
        {
            var match = _origin.Match(text);
            var port = match.Groups[3].Value;
            var isUnsaid = port != "" && port == Port(match.Groups[1].Value);
            return match.Success && !isUnsaid && !(port.Length == 5 && int.Parse(port) > 65535);
        }

        /// <summary>Why this request must be refused, if it must; see <see cref="IsCrossOrigin"/>.</summary>
        public Problem? RefusalOf(HttpRequest request) =>
            !IsCrossOrigin(request) ? null : request.Headers["Origin"] == "null" ? Problem.HiddenOrigin : Problem.CrossOrigin;

        /// <summary>
        /// Whether this request must be refused as another site's doing: Sec-Fetch-Site first, then Origin against Host.
        /// A request with neither is no browser's, and allowed. <c>same-site</c> is refused: siblings are not trusted. A
        /// WebSocket handshake is a GET that changes things, and Origin alone speaks for it.
        /// </summary>
        private bool IsCrossOrigin(HttpRequest request)
        {
            var headers = request.Headers;
            var isHandshake = headers.ContainsKey("Upgrade") || request.Method == "CONNECT";
            if (!isHandshake && (request.Method == "GET" || request.Method == "HEAD" || request.Method == "OPTIONS"))
            {
                return false;
            }
            if (!isHandshake && _crossSitePaths.Contains(request.PathBase.Add(request.Path).Value!))
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

        // As URLs are compared: the port that the origin's scheme means may be said or not.
        private static bool IsSameHost(string origin, string? host)
        {
            var (said, asked) = (_origin.Match(origin), _host.Match(host ?? ""));
            var unsaid = Port(said.Groups[1].Value);
            string Or(Group port) => port.Length == 0 ? unsaid : port.Value;
            return said.Success && asked.Success && unsaid != ""
                && said.Groups[2].Value == asked.Groups[1].Value.ToLowerInvariant()
                && Or(said.Groups[3]) == Or(asked.Groups[2]).TrimStart('0');
        }

        private static string Port(string scheme) => scheme == "https" ? "443" : scheme == "http" ? "80" : "";
    }
}
