using System;
using System.Collections.Generic;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>Where the session service is, and how this application uses it.</summary>
    public sealed class SojournSessionOptions
    {
        /// <summary>
        /// Where <c>sojourn serve</c> listens: <c>http://127.0.0.1:8100</c>, <c>https://…</c> or <c>unix:/run/sojourn.sock</c>.
        /// </summary>
        public string Service { get; set; } = "";

        /// <summary>The API key, made by <c>sojourn keys make</c>: <c>sjk1-…</c>.</summary>
        public string Key { get; set; } = "";

        /// <summary>How long the service may take for an answer.</summary>
        public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(2);

        /// <summary>The cookie's name, as it is set at the service.</summary>
        public string CookieName { get; set; } = "__Host-session";

        /// <summary>Requests for which this is true do not keep a session alive: polling, say.</summary>
        public Func<HttpContext, bool> IsPassive { get; set; } = _ => false;

        /// <summary>
        /// Other origins whose pages may send unsafe requests, such as <c>https://app.example.com</c> or, of an app,
        /// <c>capacitor://localhost</c>.
        /// </summary>
        public IList<string> TrustedOrigins { get; } = new List<string>();

        /// <summary>
        /// Whole paths that other sites' pages may post to, as identity providers do: <c>/signin-oidc</c>. Nothing there is
        /// protected from them. The browser sends no session along.
        /// </summary>
        public IList<string> CrossSitePaths { get; } = new List<string>();

        /// <summary>
        /// Lets scripts hold the token themselves, and send it in <c>Authorization</c>: a script that is injected into a page
        /// can then steal it, which it cannot with the cookie.
        /// </summary>
        public bool ScriptReadableTokens { get; set; }

        /// <summary>
        /// The origin that browsers see, such as <c>https://app.example.com</c>, for tokens that are bound to a key of the
        /// script's (DPoP), where the service's policy binds them. A proof is for one URL, and no header says which that is.
        /// </summary>
        public string? PublicOrigin { get; set; }

        /// <summary>
        /// Switches the CSRF check off: any site's page may then act as your users, but for what SameSite and your own
        /// defence prevent.
        /// </summary>
        public bool DangerouslyAllowCrossOrigin { get; set; }

        /// <summary>
        /// Lets the API key and all tokens cross a network readably, where <see cref="Service"/> is <c>http://</c> to another
        /// machine.
        /// </summary>
        public bool DangerouslyAllowPlainHttp { get; set; }

        /// <summary>How typed values become JSON. Names in camelCase by default: other languages read them too.</summary>
        public JsonSerializerOptions Json { get; } = new JsonSerializerOptions
        {
            Encoder = new StrictEncoder(),
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            PropertyNameCaseInsensitive = true,
        };
    }
}
