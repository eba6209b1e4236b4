using System;
using System.Linq;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>
    /// No session here: nothing is asked of the service, and <c>HttpContext.Session</c> throws as without one. Nor is an
    /// unsafe request's origin checked. For a route or a group, <c>.DisableSojournSession()</c> says the same.
    /// </summary>
    /// <remarks>It works where routing comes before <c>UseSojournSession</c>.</remarks>
    [AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
    public sealed class NoSojournSessionAttribute : Attribute
    {
        // Of MapStaticAssets, from .NET 9 on.
        private const string StaticAsset = "Microsoft.AspNetCore.StaticAssets.StaticAssetDescriptor";

        internal static bool IsOn(Endpoint? endpoint) =>
            endpoint != null
            && endpoint.Metadata.Any(each => each is NoSojournSessionAttribute || each.GetType().FullName == StaticAsset);
    }
}
