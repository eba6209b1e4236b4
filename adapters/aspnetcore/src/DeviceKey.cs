using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;

namespace Sojourn.AspNetCore
{
    /// <summary>
    /// The browser's own (DBSC): it proves it by itself, and its requests show a cookie that it has for that. In another browser
    /// a script's, of which some requests have a proof (DPoP), for which the cookie's token is renewed.
    /// </summary>
    internal sealed class DeviceKey : VisitorKey
    {
        private static readonly Regex _skipped = new Regex(@"\A(?:quota_exceeded|server_error|unreachable)(?:;|\z)");
        private static readonly Dictionary<string, StringValues> _nothing = new Dictionary<string, StringValues>();

        private readonly BoundCookies _bound;
        private readonly HttpRequest _request;
        private string? _given;
        private string? _proved;

        public DeviceKey(BoundCookies bound, HttpRequest request)
        {
            _bound = bound;
            _request = request;
        }

        public override bool HandsProofOn => _proved == null && Proof != null;

        private string? Proof => _request.Headers.TryGetValue("DPoP", out var proofs) ? proofs.ToString() : null;

        /// <summary>Nothing, where the browser shows nothing: nearly always.</summary>
        public override void Write(Utf8JsonWriter json)
        {
            var cookies = string.Join("; ", _bound.Find(_request.Headers["Cookie"]).Concat(_bound.Find(_given)));
            var said = _request.Headers["Secure-Session-Skipped"].ToString();
            var isSkipped = _skipped.IsMatch(said);
            var proof = _proved == null ? Proof : null;
            if (cookies == "" && !isSkipped && proof == null && _proved == null)
            {
                return;
            }
            if (_proved != null)
            {
                json.WriteString("proved", _proved);
            }
            json.WriteStartObject("device");
            json.WriteString("cookies", cookies);
            if (isSkipped)
            {
                json.WriteString("skipped", said);
            }
            if (proof != null)
            {
                json.WriteStartObject("signed");
                json.WriteString("method", _request.Method);
                json.WriteString("path", PublicOrigin.PathOf(_request));
                json.WriteString("proof", proof);
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }

        /// <summary>What the answer brings is the browser's, and this request goes on with it.</summary>
        public override void Hear(JsonElement answer)
        {
            if (answer.TryGetProperty("device", out var told))
            {
                _given = told.GetProperty("set_cookie").GetString();
            }
            _proved = answer.GetProperty("proved").GetString() ?? _proved;
            if (answer.TryGetProperty("owed", out var owed) && answer.GetProperty("status").GetString() == "none" && Reads)
            {
                // One that was shown was another key's: that is lost, and the browser is to forget the cookie.
                var problem = Proof == null ? Problem.ProofRequired(owed.GetString()!) : Problem.ProofOfOtherKey;
                throw new SojournException(problem.Code, problem.Detail, problem);
            }
        }

        /// <summary>Whether the request asks for data, and not for a page or a part of one.</summary>
        private bool Reads
        {
            get
            {
                var (method, made) = (_request.Method, _request.Headers["Sec-Fetch-Dest"].ToString());
                var isSafe = HttpMethods.IsGet(method) || HttpMethods.IsHead(method) || HttpMethods.IsOptions(method);
                return isSafe && (made == "" || made == "empty");
            }
        }

        /// <summary>
        /// Before it follows a link from another site, the browser renews no bound cookie: it is to ask once more, by itself.
        /// Before all else it does, if it has the key. If not, it is to forget the token, or it could not even log in.
        /// </summary>
        public override Problem Refused(Problem problem) =>
            problem.Nonce == null ? problem.Telling(ToldOf(problem)) : problem; // a script's, which is to sign anew

        private Dictionary<string, StringValues> ToldOf(Problem problem)
        {
            var headers = _request.Headers;
            if (problem.Code == "proof-other-key" && Proof != null)
            {
                var forgotten = CookieVariants.Clearing(_bound.Beside, _request).ToArray();
                return new Dictionary<string, StringValues> { ["Set-Cookie"] = forgotten, ["Sojourn-Token"] = "none" };
            }
            if (problem.Code != "proof-required" || headers.ContainsKey("Secure-Session-Skipped"))
            {
                return _nothing;
            }
            var site = headers["Sec-Fetch-Site"].ToString();
            if (site == "" || site == "same-origin" || site == "none")
            {
                var clearing = CookieVariants.Clearing(_bound.Beside, _request);
                return new Dictionary<string, StringValues> { ["Set-Cookie"] = clearing.ToArray() };
            }
            return headers["Sec-Fetch-Mode"] == "navigate" ? new Dictionary<string, StringValues> { ["Refresh"] = "0" } : _nothing;
        }
    }

    /// <summary>The bound cookies beside a session's: each is named for one log-in, and is a time and its seal.</summary>
    internal sealed class BoundCookies
    {
        private readonly string _start;
        private readonly Regex _shape;

        /// <summary>`beside` is the name of the session's own cookie.</summary>
        public BoundCookies(string beside)
        {
            Beside = beside;
            _start = $"__Host-{Regex.Replace(beside, "^__(?:host|secure)-", "", RegexOptions.IgnoreCase)}-";
            _shape = new Regex($@"(?<=\A|; ?){Regex.Escape(_start)}[A-Za-z0-9_-]{{12}}=[0-9]{{1,15}}\.[A-Za-z0-9_-]{{22}}(?=;|\z)");
        }

        public string Beside { get; }

        /// <summary>Those in these headers, as they have them.</summary>
        public IEnumerable<string> Find(StringValues headers) => headers
            .Where(header => header != null && header.Contains(_start, StringComparison.Ordinal))
            .SelectMany(header => _shape.Matches(header!).Select(match => match.Value));
    }
}
