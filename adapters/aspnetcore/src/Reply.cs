using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>What the answer must tell the browser of its session.</summary>
    internal sealed class Reply
    {
        private readonly string _cookieName;
        private readonly Shown _shown;

        // One of the two, once there is another token, or none any more.
        private string? _setCookie;
        private string? _token;

        // What the browser is told for a key of its own.
        private string? _boundCookie;
        private string? _registration;

        public Reply(string cookieName, Shown shown)
        {
            _cookieName = cookieName;
            _shown = shown;
        }

        /// <summary>Whether none of several cookies counts, and the browser is to forget them.</summary>
        public bool Forgets { get; set; }

        /// <summary>Why the last commit was refused, if its proof was: whoever answers, the client is to sign anew.</summary>
        public Problem? Refused { get; set; }

        /// <summary>Whether there is a new token, or none any more.</summary>
        public bool IsOfToken => _setCookie != null || _token != null;

        /// <summary>Set-Cookie values. A new cookie takes the place of all that the browser showed.</summary>
        public IEnumerable<string> Cookies =>
            (_setCookie != null ? _shown.Clearing.Append(_setCookie) : Forgets ? _shown.Clearing : Array.Empty<string>())
            .Concat(_boundCookie == null ? Array.Empty<string>() : new[] { _boundCookie });

        /// <summary>Takes in what a commit was answered.</summary>
        public void Settle(JsonElement committed)
        {
            Refused = null;
            if (!_shown.IsBearer && committed.TryGetProperty("device", out var told))
            {
                _boundCookie = told.GetProperty("set_cookie").GetString();
                _registration = told.GetProperty("registration").GetString();
            }
            if (!(committed.GetProperty("set_cookie").GetString() is string setCookie))
            {
                return;
            }
            if (_shown.IsBearer)
            {
                _token = committed.GetProperty("token").GetString() ?? "none";
                return;
            }
            if (!setCookie.StartsWith(_cookieName + "=", StringComparison.Ordinal))
            {
                var name = setCookie.Substring(0, setCookie.IndexOf('='));
                throw new SojournException(
                    "configuration",
                    $"The service's cookie is \"{name}\", and this application reads \"{_cookieName}\": set options.CookieName.");
            }
            _setCookie = setCookie;
        }

        /// <summary>Puts it into an answer's headers, in the place of what is there of it already. False: there is nothing to tell.</summary>
        public bool Write(IHeaderDictionary headers)
        {
            var cookies = Cookies.ToArray();
            if (cookies.Length > 0)
            {
                var others = headers["Set-Cookie"].Where(line =>
                    line != _boundCookie && line?.StartsWith(_cookieName + "=", StringComparison.Ordinal) == false);
                headers["Set-Cookie"] = others.Concat(cookies).ToArray();
            }
            if (_registration != null)
            {
                headers["Secure-Session-Registration"] = _registration;
            }
            if (_shown.Key?.Nonce is string nonce)
            {
                headers["DPoP-Nonce"] = nonce;
            }
            if (Refused != null)
            {
                Challenge.Write(Refused, headers);
            }
            if (_token != null)
            {
                // What was committed stays so, whatever was refused after it and is told of the token.
                headers["Sojourn-Token"] = _token;
            }
            return cookies.Length > 0 || _token != null || _shown.Key?.Nonce != null || Refused != null;
        }
    }
}
