using System;
using System.Collections.Generic;
using System.Linq;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.ResponseCaching;
#if NET7_0_OR_GREATER
using Microsoft.AspNetCore.OutputCaching;
#endif

namespace Sojourn.AspNetCore
{
    /// <summary>
    /// What caches must know of an answer, ASP.NET Core's own among them: those look at the headers before the answer starts,
    /// and so they are told at the first look at the session already.
    /// </summary>
    internal static class Caches
    {
        /// <summary>The answer depends on the session, which came in one of the headers `vary`.</summary>
        public static void Depend(HttpContext context, string vary) => Look(context, vary, isFirst: true);

        /// <summary>The same at each look at the session: the output cache may have come between two of them.</summary>
        public static void Look(HttpContext context, string vary, bool isFirst)
        {
#if NET7_0_OR_GREATER
            // The output cache asks no Vary.
            if (context.Features.Get<IOutputCacheFeature>() is { } cache)
            {
                cache.Context.AllowCacheStorage = false;
            }
#endif
            if (isFirst && !context.Response.HasStarted)
            {
                AddVary(context.Response.Headers, vary);
            }
        }

        /// <summary>The answer is for this visitor alone.</summary>
        public static void Forbid(HttpContext context, string vary)
        {
            Depend(context, vary);
            if (context.Response.HasStarted)
            {
                return;
            }
            NeverStore(context.Response.Headers);
            if (context.Features.Get<IResponseCachingFeature>() != null)
            {
                // Whatever the handler says of Cache-Control afterwards: this one is kept by no cache.
                context.Response.Headers["Vary"] = "*";
            }
        }

        /// <summary>No cache keeps the answer. What says so itself, and maybe more, stays.</summary>
        public static void NeverStore(IHeaderDictionary headers)
        {
            if (!Words(headers, "Cache-Control").Contains("no-store", StringComparer.OrdinalIgnoreCase))
            {
                headers["Cache-Control"] = "no-store";
            }
        }

        private static IEnumerable<string> Words(IHeaderDictionary headers, string name) =>
            headers[name].SelectMany(header => (header ?? "").Split(',')).Select(word => word.Trim());

        private static void AddVary(IHeaderDictionary headers, string vary)
        {
            var said = Words(headers, "Vary").ToHashSet(StringComparer.OrdinalIgnoreCase);
            var missing = vary.Split(", ").Where(name => !said.Contains(name)).ToArray();
            if (missing.Length > 0 && !said.Contains("*"))
            {
                headers.Append("Vary", string.Join(", ", missing));
            }
        }
    }
}
