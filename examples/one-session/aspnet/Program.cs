// The .NET back end: ASP.NET Core, in the session that it shares with the three others.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Sojourn.AspNetCore;

namespace OneSession
{
    /// <summary>What is in the cart.</summary>
    public sealed class Item
    {
        public string? Thing { get; set; }

        public string? By { get; set; }
    }

    public static class Program
    {
        private static readonly JsonSerializerOptions _json =
            new JsonSerializerOptions { PropertyNamingPolicy = JsonNamingPolicy.CamelCase };

        public static Task Main(string[] args) => Host.CreateDefaultBuilder(args)
            .ConfigureWebHostDefaults(web => web.ConfigureServices(AddServices).Configure(Build))
            .Build()
            .RunAsync();

        private static void AddServices(IServiceCollection services)
        {
            services.AddRouting();
            services.AddSojournSession(options =>
            {
                options.Service = Environment.GetEnvironmentVariable("SOJOURN_SERVICE")!;
                options.Key = Environment.GetEnvironmentVariable("SOJOURN_KEY")!;
            });
        }

        private static void Build(IApplicationBuilder app)
        {
            app.UseForwardedHeaders(new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor });
            app.UseRouting();
            app.UseSojournSession();
            app.UseEndpoints(routes =>
            {
                routes.MapGet("/", ShowAsync);
                routes.MapPost("/login", LogInAsync);
                routes.MapPost("/cart", AddAsync);
                routes.MapPost("/logout", LogOutAsync);
            });
        }

        private static Task ShowAsync(HttpContext context)
        {
            var session = context.GetSojournSession();
            return AnswerAsync(context, new
            {
                user = session.UserId,
                ended = session.EndReason,
                data = session.Keys.ToDictionary(key => key, key => session.Get<JsonElement>(key)),
            });
        }

        /// <summary>Everybody's password is "sesame". Yours are hashed, in your database.</summary>
        private static async Task LogInAsync(HttpContext context)
        {
            var form = await ReadAsync(context);
            if (!form.TryGetValue("name", out var name) || !form.TryGetValue("password", out var password) || password != "sesame")
            {
                await RefuseAsync(context, 403, "This name and password do not go together.");
                return;
            }
            await context.GetSojournSession().LoginAsync(name); // a new id and token; the cart comes along
            await ShowAsync(context);
        }

        private static async Task AddAsync(HttpContext context)
        {
            if (!(await ReadAsync(context)).TryGetValue("thing", out var thing))
            {
                await RefuseAsync(context, 422, "A thing has 1 to 40 characters.");
                return;
            }
            int.TryParse(context.Request.Query["wait"], out var wait);
            await Task.Delay(Math.Clamp(wait, 0, 5000)); // work that takes its time; others write meanwhile, or log out
            var session = context.GetSojournSession();
            var cart = session.Get<List<Item>>("cart") ?? new List<Item>();
            cart.Add(new Item { Thing = thing, By = "aspnet" });
            session.Set("cart", cart);
            session.Increment("additions");
            session.Set("aspnet", thing); // a key that only this back end writes
            await ShowAsync(context);
        }

        private static async Task LogOutAsync(HttpContext context)
        {
            await context.GetSojournSession().LogoutAsync(); // here, and in every back end and tab
            context.Response.StatusCode = 204;
        }

        /// <summary>The fields of the body that are text of 1 to 40 characters.</summary>
        private static async Task<Dictionary<string, string>> ReadAsync(HttpContext context)
        {
            try
            {
                var form = await JsonSerializer.DeserializeAsync<Dictionary<string, string>>(context.Request.Body);
                return form.Where(field => field.Value?.Length is int length && length >= 1 && length <= 40)
                    .ToDictionary(field => field.Key, field => field.Value);
            }
            catch (JsonException)
            {
                return new Dictionary<string, string>();
            }
        }

        private static Task RefuseAsync(HttpContext context, int status, string detail)
        {
            context.Response.StatusCode = status;
            return AnswerAsync(context, new { detail });
        }

        private static Task AnswerAsync<T>(HttpContext context, T answer)
        {
            context.Response.ContentType = "application/json";
            return context.Response.WriteAsync(JsonSerializer.Serialize(answer, _json));
        }
    }
}
