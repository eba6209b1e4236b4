using System;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Sojourn.AspNetCore
{
    /// <summary>The origin that browsers see. No header says which it is.</summary>
    internal sealed class PublicOrigin
    {
        private readonly string _origin;

        public PublicOrigin(string origin)
        {
            var isHttp = origin.StartsWith("https://", StringComparison.Ordinal) || origin.StartsWith("http://", StringComparison.Ordinal);
            if (!isHttp || !OriginCheck.IsOrigin(origin))
            {
                throw new InvalidOperationException($"options.PublicOrigin is \"{origin}\": write it like \"https://app.example.com\".");
            }
            _origin = origin;
        }

        /// <summary>The URL that the browser asked for, without the query, which no proof is for.</summary>
        public string UrlOf(HttpRequest request) => _origin + PathOf(request);

        /// <summary>The whole path that the browser asked for, percent-encoded.</summary>
        // As it came: what is decoded and encoded anew may be another, as where there is a %25 in it.
        public static string PathOf(HttpRequest request)
        {
            var path = request.HttpContext.Features.Get<IHttpRequestFeature>()!.RawTarget.Split('?')[0];
            if (!path.StartsWith('/'))
            {
                // A proxy may have put an origin before it, and OPTIONS * has none.
                var scheme = path.IndexOf("://", StringComparison.Ordinal);
                var start = scheme < 0 ? -1 : path.IndexOf('/', scheme + 3);
                path = start < 0 ? "/" : path.Substring(start);
            }
            // A proxy may have taken PathBase away, and middleware put it back.
            var isShortened = Uri.UnescapeDataString(path) == Uri.UnescapeDataString(request.Path.Value ?? "");
            return isShortened ? request.PathBase.ToUriComponent() + path : path;
        }
    }
}
