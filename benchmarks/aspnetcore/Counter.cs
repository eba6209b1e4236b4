// The application of ../express/counter.mjs in ASP.NET Core, over a session service.
using System;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Sojourn.AspNetCore;

namespace Counter
{
    public static class Program
    {
        public static Task Main(string[] args) => Host.CreateDefaultBuilder(args)
            .ConfigureLogging(logging => logging.ClearProviders())
            .ConfigureWebHostDefaults(web => web.ConfigureServices(AddServices).Configure(Build))
            .Build()
            .RunAsync();

        private static void AddServices(IServiceCollection services) => services.AddSojournSession(options =>
        {
            options.Service = Environment.GetEnvironmentVariable("SOJOURN_SERVICE")!;
            options.Key = Environment.GetEnvironmentVariable("SOJOURN_KEY")!;
        });

        private static void Build(IApplicationBuilder app)
        {
            app.UseSojournSession();
            app.Run(AnswerAsync);
        }

        private static Task AnswerAsync(HttpContext context)
        {
            var session = context.GetSojournSession();
            var body = $"{session.Get<int>("n")}";
            if (context.Request.Path == "/change")
            {
                session.Set("n", session.Get<int>("n") + 1);
                body = "changed";
            }
            context.Response.ContentLength = body.Length;
            return context.Response.WriteAsync(body);
        }
    }
}
