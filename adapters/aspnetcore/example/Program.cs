// A shop whose visitors keep their cart and their log-in when they come to its Python, Node or PHP pages.
using System;
using System.Collections.Generic;
using System.Text.Json;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Shop
{
    public static class Program
    {
        public static Task Main(string[] args) => Host.CreateDefaultBuilder(args)
            .ConfigureWebHostDefaults(web => web.ConfigureServices(AddServices).Configure(Build))
            .Build()
            .RunAsync();

        private static void AddServices(IServiceCollection services)
        {
            services.AddRouting();
            services.AddSojournSession(options =>
            {
                options.Service = Environment.GetEnvironmentVariable("SOJOURN_SERVICE") ?? "http://127.0.0.1:8100";
                options.Key = Environment.GetEnvironmentVariable("SOJOURN_KEY") ?? "";
            });
        }

        private static void Build(IApplicationBuilder app)
        {
            app.UseRouting();
            app.UseSojournSession();
            app.UseEndpoints(routes =>
            {
                routes.MapGet("/", ShowAsync);
                routes.MapPost("/cart", AddToCartAsync);
                routes.MapPost("/login", LoginAsync);
                routes.MapPost("/logout", LogoutAsync);
            });
        }

        private static Task ShowAsync(HttpContext context)
        {
            var session = context.GetSojournSession();
            return AnswerAsync(context, new
            {
                visits = session.Increment("visits"),
                user = session.UserId,
                cart = session.Get<List<string>>("cart") ?? new List<string>(),
                ended = session.EndReason,
            });
        }

        private static Task AddToCartAsync(HttpContext context)
        {
            var session = context.GetSojournSession();
            var cart = session.Get<List<string>>("cart") ?? new List<string>();
            cart.Add(context.Request.Query["item"].ToString());
            session.Set("cart", cart);
            return AnswerAsync(context, cart);
        }

        private static async Task LoginAsync(HttpContext context)
        {
            // Whoever says so is: a real shop checks a password here.
            await context.GetSojournSession().LoginAsync(context.Request.Query["user"].ToString());
            await ShowAsync(context);
        }

        private static Task LogoutAsync(HttpContext context) => context.GetSojournSession().LogoutAsync();

        private static Task AnswerAsync<T>(HttpContext context, T answer)
        {
            context.Response.ContentType = "application/json";
            return context.Response.WriteAsync(JsonSerializer.Serialize(answer));
        }
    }
}
