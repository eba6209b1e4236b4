using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>How tokens travel: in a cookie, or in Authorization too, where scripts may hold them.</summary>
    internal sealed class Transport
    {
        private static readonly Problem _ambiguous = new Problem(
            400, "ambiguous-token", "Two tokens",
            "The request holds a session token in a cookie and another in Authorization. Send one of them.");

        private static readonly Problem _notEnabled = new Problem(
            400, "bearer-not-enabled", "Cookies only",
            "This server keeps session tokens in HttpOnly cookies. Use the client's storage 'cookie'.");

        // A scheme is of capitals or not, with a space after it or several (RFC 9110, section 11.4).
        private static readonly Regex _scheme = new Regex(@"\A(?:bearer|(dpop)) +", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);

        private readonly bool _isReadable;
        private readonly PublicOrigin? _origin;
        private readonly BoundCookies _bound;

        public Transport(SojournSessionOptions options)
        {
            CookieName = options.CookieName;
            _bound = new BoundCookies(CookieName);
            _isReadable = options.ScriptReadableTokens;
            Vary = _isReadable ? "Cookie, Authorization" : "Cookie";
            if (options.PublicOrigin == null)
            {
                return;
            }
            if (!_isReadable)
            {
                throw new InvalidOperationException(
                    "options.PublicOrigin is for tokens that scripts hold: set ScriptReadableTokens. A session in a cookie is bound by the service's settings.");
            }
            _origin = new PublicOrigin(options.PublicOrigin);
        }

        public string CookieName { get; }

        /// <summary>The headers of a request that its session depends on.</summary>
        public string Vary { get; }

        /// <summary>Whether a script that holds its token itself sent this request.</summary>
        public bool IsBearer(HttpRequest request)
        {
            var (token, isDpop) = ShownInAuthorization(request);
            return IsSaid(request)
                || (token.StartsWith("sj1-", StringComparison.OrdinalIgnoreCase) && (_origin != null || !isDpop));
        }

        /// <summary>Why a script's request is refused, if it is. Other sites cannot send its headers without a preflight: no CSRF here.</summary>
        public Problem? RefusalOf(HttpRequest request)
        {
            if (!_isReadable)
            {
                return _notEnabled;
            }
            // XMLHttpRequest cannot leave an old cookie at home; the client's header says which token is meant.
            return !IsSaid(request) && SessionCookie.Find(request.Headers["Cookie"], CookieName).Count > 0 ? _ambiguous : null;
        }

        public Shown ShownBy(HttpRequest request, bool isBearer)
        {
            if (!isBearer)
            {
                return ShownInCookies(request);
            }
            var (token, isDpop) = ShownInAuthorization(request);
            var tokens = SessionCookie.IsToken(token) ? new[] { token } : Array.Empty<string>();
            return new Shown(tokens) { IsBearer = true, Key = _origin == null ? null : KeyOf(request, _origin, isDpop) };
        }

        private static (string Token, bool IsDpop) ShownInAuthorization(HttpRequest request)
        {
            var authorization = request.Headers["Authorization"].ToString();
            var scheme = _scheme.Match(authorization);
            return (scheme.Success ? authorization.Substring(scheme.Length).TrimEnd(' ') : "", scheme.Groups[1].Success);
        }

        private Shown ShownInCookies(HttpRequest request)
        {
            var tokens = SessionCookie.Find(request.Headers["Cookie"], CookieName);
            if (tokens.Count < 2)
            {
                return new Shown(tokens) { Key = new DeviceKey(_bound, request) };
            }
            return new Shown(tokens) { Key = new DeviceKey(_bound, request), Clearing = CookieVariants.Clearing(CookieName, request).ToList() };
        }

        // Several proofs are joined, as RFC 9110 has it: the service refuses what is no single one.
        private static ScriptKey KeyOf(HttpRequest request, PublicOrigin origin, bool isDpop) => new ScriptKey(
            request.Method, origin.UrlOf(request), request.Headers.TryGetValue("DPoP", out var proofs) ? proofs.ToString() : null, isDpop);

        private static bool IsSaid(HttpRequest request) => request.Headers.ContainsKey("Sojourn-Transport");
    }

    /// <summary>What a request shows of its session.</summary>
    internal sealed class Shown
    {
        public Shown(IReadOnlyList<string> tokens) => Tokens = tokens;

        public IReadOnlyList<string> Tokens { get; }

        /// <summary>Set-Cookie values that make the browser forget the several cookies that it showed.</summary>
        public IReadOnlyList<string> Clearing { get; set; } = Array.Empty<string>();

        /// <summary>Whether a script sent it that holds its token itself: it is told of a new one in a header, and of no cookie.</summary>
        public bool IsBearer { get; set; }

        /// <summary>null for a script, where no session is bound to one.</summary>
        public VisitorKey? Key { get; set; }
    }
}
