using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>The cookies that a browser may have under one name: by domain, by path, partitioned or not.</summary>
    internal static class CookieVariants
    {
        private const int MostDomains = 3;
        private const int MostFolders = 2;

        private static readonly Regex _host = new Regex(@"\A(?:[a-z0-9_-]+\.)+[a-z][a-z0-9-]*\z");
        private static readonly Regex _folder = new Regex(@"\G/[\x21-\x2e\x30-\x3a\x3c-\x7e]+");

        /// <summary>What makes a browser forget those that this request can name.</summary>
        public static IEnumerable<string> Clearing(string name, HttpRequest request) =>
            Clearing(name, request.Host.Value ?? "", request.PathBase.Add(request.Path).ToUriComponent());

        /// <summary>
        /// What makes a browser forget them, as far as they can be named: those of this host and its parents, of the root
        /// and the first two folders of this path. Set-Cookie values.
        /// </summary>
        public static IEnumerable<string> Clearing(string name, string host, string path)
        {
            var isHosts = name.StartsWith("__host-", StringComparison.OrdinalIgnoreCase);
            var isSecure = isHosts || name.StartsWith("__secure-", StringComparison.OrdinalIgnoreCase);
            foreach (var folder in isHosts ? new[] { "/" } : Folders(path).Prepend("/"))
            {
                foreach (var domain in isHosts ? new[] { "" } : Domains(host).Prepend(""))
                {
                    var start = $"{name}=; Max-Age=0; Path={folder}{(domain == "" ? "" : $"; Domain={domain}")}";
                    yield return $"{start}{(isSecure ? "; Secure" : "")}; HttpOnly; SameSite=Lax";
                    yield return $"{start}; Secure; HttpOnly; SameSite=None; Partitioned";
                }
            }
        }

        // The host and its parents, but for top-level domains.
        private static IEnumerable<string> Domains(string host)
        {
            host = Regex.Replace(host, @":\d*\z", "").ToLowerInvariant();
            if (!_host.IsMatch(host))
            {
                return Array.Empty<string>();
            }
            var labels = host.Split('.');
            var first = Math.Max(0, labels.Length - 1 - MostDomains);
            return Enumerable.Range(first, labels.Length - 1 - first).Select(from => string.Join(".", labels.Skip(from)));
        }

        private static IEnumerable<string> Folders(string path)
        {
            var end = 0;
            for (var count = 0; count < MostFolders && _folder.Match(path, end) is Match found && found.Success; count++)
            {
                end += found.Length;
                yield return path.Substring(0, end);
            }
        }
    }
}
