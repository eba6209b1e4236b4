using System;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Sojourn.AspNetCore;

namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Sojourn in an application's services.</summary>
    public static class SojournSessionServiceCollectionExtensions
    {
        /// <summary>Adds what <c>UseSojournSession</c> needs.</summary>
        public static IServiceCollection AddSojournSession(
            this IServiceCollection services, Action<SojournSessionOptions> configure)
        {
            services.Configure(configure);
            services.AddSingleton<SessionService>();
            return services;
        }
    }
}

namespace Microsoft.AspNetCore.Builder
{
    /// <summary>Sojourn in an application's pipeline.</summary>
    public static class SojournSessionApplicationBuilderExtensions
    {
        /// <summary>
        /// Puts the shared session into <c>HttpContext.Session</c>, and writes what a request changed before its answer's
        /// first byte. Where the service is away, a request that shows a token is answered with 503, and never taken for
        /// a visitor's.
        /// </summary>
        public static IApplicationBuilder UseSojournSession(this IApplicationBuilder app)
        {
            if (app.ApplicationServices.GetService<SessionService>() == null)
            {
                throw new InvalidOperationException("UseSojournSession() needs services.AddSojournSession(…) first.");
            }
            return app.UseMiddleware<SojournSessionMiddleware>();
        }
    }

    /// <summary>Endpoints without a session, and such as need a log-in.</summary>
    public static class SojournSessionEndpointConventionBuilderExtensions
    {
        /// <summary>
        /// Only where somebody is logged in, since at most <paramref name="within"/> and at this level at least, on a route or
        /// a group: else the answer is a 401, <c>login-required</c> or <c>reauthentication-required</c>.
        /// </summary>
        public static TBuilder RequireLogin<TBuilder>(this TBuilder builder, TimeSpan? within = null, string? level = null)
            where TBuilder : IEndpointConventionBuilder
        {
            StepUp.CheckLevel(level);
            builder.Add(endpoint =>
            {
                var next = endpoint.RequestDelegate;
                endpoint.RequestDelegate = context =>
                {
                    context.GetSojournSession().RequireLogin(within, level);
                    return next!(context);
                };
            });
            return builder;
        }

        /// <summary>
        /// No session here, on a route or a group: nothing is asked of the service, and <c>HttpContext.Session</c> throws as
        /// without one. Nor is an unsafe request's origin checked. Routing must come before <c>UseSojournSession</c>.
        /// </summary>
        public static TBuilder DisableSojournSession<TBuilder>(this TBuilder builder)
            where TBuilder : IEndpointConventionBuilder
        {
            builder.Add(endpoint => endpoint.Metadata.Add(new NoSojournSessionAttribute()));
            return builder;
        }
    }
}

namespace Microsoft.AspNetCore.Http
{
    /// <summary>Sojourn in a request.</summary>
    public static class SojournSessionHttpContextExtensions
    {
        /// <summary>The request's session, with its user and its typed values.</summary>
        public static SojournSession GetSojournSession(this HttpContext context) =>
            context.Features.Get<ISessionFeature>() is ISessionFeature feature
                ? feature.Session as SojournSession
                    ?? throw new InvalidOperationException("This request's session is another one's: call app.UseSojournSession().")
                : throw new InvalidOperationException(
                    "There is no session here. Either app.UseSojournSession() comes too late: it belongs before "
                    + "UseAuthentication(), say. Or this endpoint was told that it has none.");
    }
}
