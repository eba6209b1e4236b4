using System;
using System.Linq;
using System.Security.Claims;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Authentication;
using Microsoft.AspNetCore.Authentication.Cookies;
using Microsoft.AspNetCore.Authentication.OAuth;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Sojourn.AspNetCore.Tests
{
    /// <summary>Endpoints with a session and without, and a log-in at an identity provider, SITE_PROVIDER.</summary>
    internal static class EndpointSite
    {
        private const string Callback = "/signin-provider";

        /// <summary>`order`: "before" where the session comes before authentication, "after", or "again" (see Build).</summary>
        public static Task RunAsync(string url, string order) => Host.CreateDefaultBuilder()
            .ConfigureWebHostDefaults(web => web
                .UseUrls(url)
                .UseWebRoot(Environment.GetEnvironmentVariable("SITE_FILES") ?? ".")
                .ConfigureServices(AddServices)
                .Configure(app => Build(app, order)))
            .Build()
            .RunAsync();

        private static void AddServices(IServiceCollection services)
        {
            Site.AddSession(services);
            services.Configure<SojournSessionOptions>(options => options.CrossSitePaths.Add(Callback));
            services.AddRouting();
            services.AddDataProtection().UseEphemeralDataProtectionProvider();
            services.AddAuthentication(CookieAuthenticationDefaults.AuthenticationScheme).AddCookie().AddOAuth("provider", Configure);
        }

        private static void Configure(OAuthOptions options)
        {
            var provider = Environment.GetEnvironmentVariable("SITE_PROVIDER") ?? "http://127.0.0.1:1";
            options.ClientId = "shop";
            options.ClientSecret = "secret";
            options.CallbackPath = Callback;
            options.AuthorizationEndpoint = $"{provider}/authorize";
            options.TokenEndpoint = $"{provider}/token";
            options.CorrelationCookie.SecurePolicy = CookieSecurePolicy.Always;
            options.Events.OnCreatingTicket = context =>
            {
                var user = context.TokenResponse.Response!.RootElement.GetProperty("user").GetString()!;
                context.Identity!.AddClaim(new Claim(ClaimTypes.NameIdentifier, user));
                return Task.CompletedTask;
            };
            options.Events.OnTicketReceived = context =>
                context.HttpContext.GetSojournSession().LoginAsync(context.Principal!.FindFirst(ClaimTypes.NameIdentifier)!.Value);
        }

        private static void Build(IApplicationBuilder app, string order)
        {
            app.UseRouting();
            if (order == "again")
            {
                app.Use(AskAgainAsync);
            }
            if (order == "after")
            {
                app.UseAuthentication();
            }
            app.UseSojournSession();
            if (order != "after")
            {
                app.UseAuthentication();
            }
            app.UseEndpoints(Map);
        }

        // From the provider's page, without our cookies: the browser asks once more from our own, with them.
        private static async Task AskAgainAsync(HttpContext context, Func<Task> next)
        {
            if (!HttpMethods.IsPost(context.Request.Method) || context.Request.Path != Callback)
            {
                await next();
                return;
            }
            var form = await context.Request.ReadFormAsync();
            context.Response.StatusCode = StatusCodes.Status303SeeOther;
            context.Response.Headers["Location"] = context.Request.PathBase + context.Request.Path + QueryString.Create(form);
        }

        private static void Map(IEndpointRouteBuilder routes)
        {
            routes.MapGet("/ready", context => context.Response.WriteAsync("ready")).DisableSojournSession();
            routes.MapGet("/", ShowAsync);
            routes.MapGet("/add", context =>
            {
                context.GetSojournSession().Set("cart", new[] { "tea" });
                return ShowAsync(context);
            });
            routes.MapGet("/enter", context => context.ChallengeAsync("provider", new AuthenticationProperties { RedirectUri = "/" }));
            routes.MapMethods("/none", new[] { "GET", "POST" }, ShowNoneAsync).DisableSojournSession();
            routes.MapGet("/attribute", AttributeAsync);
            routes.MapGet("/login/{level}", context => context.GetSojournSession().LoginAsync("ada", level: (string)context.Request.RouteValues["level"]!));
            routes.MapGet("/prices", StreamAsync);
            routes.MapGet("/members", ShowAsync).RequireLogin();
            routes.MapGet("/fresh", ShowAsync).RequireLogin(within: TimeSpan.FromMinutes(5));
            routes.MapGet("/at-once", ShowAsync).RequireLogin(within: TimeSpan.FromMilliseconds(1));
            routes.MapGet("/sure", ShowAsync).RequireLogin(level: "aal2");
            routes.MapGet("/nobody", ShowAsync).RequireLogin().DisableSojournSession();
#if NET7_0_OR_GREATER
            var group = routes.MapGroup("/group").DisableSojournSession();
            group.MapGet("/one", (RequestDelegate)ShowNoneAsync);
            var members = routes.MapGroup("/sure-group").RequireLogin(level: "aal2");
            members.MapGet("/one", (RequestDelegate)ShowAsync);
#endif
#if NET9_0_OR_GREATER
            if (Environment.GetEnvironmentVariable("SITE_ASSETS") is string manifest)
            {
                routes.MapStaticAssets(manifest);
            }
#endif
        }

        private static async Task StreamAsync(HttpContext context)
        {
            var ending = context.GetSojournSession().UntilEnded();
            context.Response.ContentType = "text/event-stream";
            await context.Response.WriteAsync("data: 42\n\n");
            await context.Response.Body.FlushAsync();
            try
            {
                await Task.Delay(TimeSpan.FromMinutes(1), ending.Token);
            }
            catch (OperationCanceledException) when (ending.HasEnded)
            {
                await context.Response.WriteAsync($"event: end\ndata: {ending.Reason}\n\n");
            }
        }

        private static Task ShowAsync(HttpContext context)
        {
            var session = context.GetSojournSession();
            return context.Response.WriteAsync(JsonSerializer.Serialize(new
            {
                visits = session.Increment("visits"),
                user = session.UserId,
                cart = session.TryGet<string[]>("cart", out var cart) ? cart : null,
                claims = context.User.Claims.Select(claim => claim.Value),
            }));
        }

        [NoSojournSession]
        private static Task AttributeAsync(HttpContext context) => ShowNoneAsync(context);

        private static Task ShowNoneAsync(HttpContext context)
        {
            try
            {
                return context.Response.WriteAsync(context.Session.Id);
            }
            catch (InvalidOperationException error)
            {
                return context.Response.WriteAsync(error.Message);
            }
        }
    }
}
