using System;
using System.Collections.Concurrent;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Sojourn.AspNetCore.Tests
{
    /// <summary>The same pages behind each of ASP.NET Core's caches, which is outside of the session or inside.</summary>
    internal static class CacheSite
    {
        private static readonly ConcurrentDictionary<string, int> _served = new ConcurrentDictionary<string, int>();

        public static Task RunAsync(string url) => Host.CreateDefaultBuilder()
            .ConfigureWebHostDefaults(web => web.UseUrls(url).ConfigureServices(AddServices).Configure(Build))
            .Build()
            .RunAsync();

        private static void AddServices(IServiceCollection services)
        {
            Site.AddSession(services);
            services.AddResponseCaching();
#if NET7_0_OR_GREATER
            services.AddOutputCache(options => options.AddBasePolicy(policy => policy.Cache()));
#endif
        }

        private static void Build(IApplicationBuilder app)
        {
            app.Map("/ready", ready => ready.Run(context => context.Response.WriteAsync("ready")));
            Place(app, "response", cached => cached.UseResponseCaching());
#if NET7_0_OR_GREATER
            Place(app, "output", cached => cached.UseOutputCache());
#endif
        }

        private static void Place(IApplicationBuilder app, string name, Action<IApplicationBuilder> useCache)
        {
            app.Map($"/{name}-outside", branch =>
            {
                useCache(branch);
                branch.UseSojournSession();
                branch.Run(ShowAsync);
            });
            app.Map($"/{name}-inside", branch =>
            {
                branch.UseSojournSession();
                branch.Use((context, next) =>
                {
                    if (context.Request.Path.Value!.StartsWith("/looked", StringComparison.Ordinal))
                    {
                        context.Items["user"] = context.GetSojournSession().UserId;
                    }
                    return next();
                });
                useCache(branch);
                branch.Run(ShowAsync);
            });
        }

        private static async Task ShowAsync(HttpContext context)
        {
            var path = context.Request.Path.Value!;
            var count = _served.AddOrUpdate(context.Request.PathBase + path, 1, (_, before) => before + 1);
            if (!path.EndsWith("-late", StringComparison.Ordinal))
            {
                context.Response.Headers["Cache-Control"] = "public, max-age=60";
            }
            var text = path.Split('-')[0] switch
            {
                "/me" => $"hello {context.GetSojournSession().UserId ?? "nobody"}",
                "/looked" => $"hello {context.Items["user"] ?? "nobody"}",
                "/begin" => $"visit {context.GetSojournSession().Increment("visits")}",
                "/login" => await LogInAsync(context),
                _ => $"served {count}",
            };
            if (path.EndsWith("-late", StringComparison.Ordinal))
            {
                context.Response.Headers["Cache-Control"] = "public, max-age=60";
            }
            await context.Response.WriteAsync($"{text}, {count}");
        }

        private static async Task<string> LogInAsync(HttpContext context)
        {
            await context.GetSojournSession().LoginAsync(context.Request.Query["user"].ToString());
            return "welcome";
        }
    }
}
