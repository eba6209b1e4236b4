using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Sojourn.AspNetCore.Tests
{
    /// <summary>Does what a test asks for, {"do": steps}, each step an array of its name and arguments; answers with their results.</summary>
    internal static class Site
    {
        private static readonly ConcurrentDictionary<string, Turnstile> _turnstiles = new ConcurrentDictionary<string, Turnstile>();
        private static readonly JsonElement _facts = JsonDocument.Parse("[[\"facts\"]]").RootElement;

        public static Task RunAsync(string url) => Host.CreateDefaultBuilder()
            .ConfigureLogging(logging => logging.SetMinimumLevel(LogLevel.Trace).AddFilter("", LogLevel.Trace))
            .ConfigureWebHostDefaults(web => web.UseUrls(url).ConfigureServices(AddServices).Configure(Build))
            .Build()
            .RunAsync();

        /// <summary>The session of every site here: the service is that of the environment.</summary>
        public static void AddSession(IServiceCollection services) => services.AddSojournSession(options =>
        {
            options.Service = Environment.GetEnvironmentVariable("SOJOURN_SERVICE")!;
            options.Key = Environment.GetEnvironmentVariable("SOJOURN_KEY")!;
            options.TrustedOrigins.Add("https://trusted.example.com");
            options.TrustedOrigins.Add("capacitor://localhost");
            options.CrossSitePaths.Add("/auth/callback");
            options.IsPassive = context => context.Request.Headers.ContainsKey("X-Poll");
            options.PublicOrigin = Environment.GetEnvironmentVariable("SITE_PUBLIC_ORIGIN");
            options.ScriptReadableTokens = options.PublicOrigin != null;
        });

        private static void AddServices(IServiceCollection services)
        {
            services.AddResponseCompression(options => options.EnableForHttps = true);
            AddSession(services);
        }

        private static void Build(IApplicationBuilder app)
        {
            app.UseExceptionHandler("/error");
            app.UseWhen(context => context.Request.Headers.ContainsKey("X-Compress"), inner => inner.UseResponseCompression());
            app.Map("/ready", ready => ready.Run(context => context.Response.WriteAsync("ready")));
            app.Map("/arrived", arrived => arrived.Run(async context => await TurnstileOf(context).Arrived.Task));
            app.Map("/release", release => release.Run(context =>
            {
                TurnstileOf(context).Released.TrySetResult(true);
                return Task.CompletedTask;
            }));
            app.UseSojournSession();
            app.Map("/error", error => error.Run(context => context.Response.WriteAsync($"error, {context.Session.Keys.Count()} keys")));
            app.Map("/notes/1", note => note.Run(context => PerformAsync(context, _facts)));
            app.Run(DoAsync);
        }

        private static JsonElement? Member(JsonElement? holder, string name) =>
            holder is JsonElement there && there.TryGetProperty(name, out var value) ? value : (JsonElement?)null;

        private static IEnumerable<string>? Names(JsonElement? holder, string name) =>
            Member(holder, name)?.EnumerateArray().Select(each => each.GetString()!).ToArray();

        private static Turnstile TurnstileOf(HttpContext context) => TurnstileNamed(context.Request.Path.Value!.Trim('/'));

        private static Turnstile TurnstileNamed(string name) => _turnstiles.GetOrAdd(name, _ => new Turnstile());

        private static async Task DoAsync(HttpContext context)
        {
            using var asked = context.Request.Method == "GET"
                ? JsonDocument.Parse(context.Request.Query["ask"].ToString())
                : await JsonDocument.ParseAsync(context.Request.Body);
            await PerformAsync(context, asked.RootElement.GetProperty("do"));
        }

        private static async Task PerformAsync(HttpContext context, JsonElement steps)
        {
            var results = new List<object?>();
            foreach (var step in steps.EnumerateArray())
            {
                results.Add(await DoAsync(context, step.EnumerateArray().ToArray()));
            }
            if (!context.Response.HasStarted && context.Response.StatusCode == 200)
            {
                context.Response.ContentType = "application/json";
                var bytes = JsonSerializer.SerializeToUtf8Bytes(results);
                // The writer's own way: a part, and the rest held until the end.
                await context.Response.BodyWriter.WriteAsync(bytes.AsMemory(0, 1));
                bytes.AsSpan(1).CopyTo(context.Response.BodyWriter.GetSpan(bytes.Length));
                context.Response.BodyWriter.Advance(bytes.Length - 1);
            }
        }

        private static async Task<object?> DoAsync(HttpContext context, JsonElement[] step)
        {
            if (step[0].GetString() != "try")
            {
                return await DoStepAsync(context, step);
            }
            try
            {
                return await DoStepAsync(context, step[1].EnumerateArray().ToArray());
            }
            catch (SojournException error)
            {
                return new
                {
                    code = error.Code,
                    status = error.StatusCode,
                    end_reason = error.EndReason,
                    limit = error.Limit,
                    message = error.Message,
                };
            }
            catch (InvalidOperationException error)
            {
                return new { code = "invalid-operation", message = error.Message };
            }
        }

        private static async Task<object?> DoStepAsync(HttpContext context, JsonElement[] step)
        {
            var session = context.GetSojournSession();
            ISession plain = context.Session;
            var name = step.Length > 1 && step[1].ValueKind == JsonValueKind.String ? step[1].GetString()! : "";
            var argument = step.Length > 2 ? step[2] : default;
            switch (step[0].GetString())
            {
                case "set": session.Set(name, argument); break;
                case "get": return session.TryGet<JsonElement>(name, out var value) ? (object)value : null;
                case "get_list": return session.Get<List<int>>(name);
                case "append": session.Set(name, (session.Get<List<int>>(name) ?? new List<int>()).Append(argument.GetInt32())); break;
                case "get_map": return session.Get<Dictionary<string, int>>(name);
                case "get_cart": return session.Get<Cart>(name)?.Amount;
                case "get_number": return session.Get<int>(name);
                case "cart": session.Set(name, new { ProductName = "tea", Amount = 2 }); break;
                case "remove": session.Remove(name); break;
                case "clear": session.Clear(); break;
                case "keys": return session.Keys.OrderBy(key => key, StringComparer.Ordinal);
                case "increment": return session.Increment(name, argument.ValueKind == JsonValueKind.Number ? argument.GetInt64() : 1);
                case "set_string": plain.SetString(name, argument.GetString()!); break;
                case "get_string": return plain.GetString(name);
                case "set_int": plain.SetInt32(name, argument.GetInt32()); break;
                case "get_int": return plain.GetInt32(name);
                case "set_bytes": plain.Set(name, argument.GetBytesFromBase64()); break;
                case "get_bytes": return plain.Get(name);
                case "login":
                    var proof = argument.ValueKind == JsonValueKind.Object ? argument : (JsonElement?)null;
                    await session.LoginAsync(
                        name, argument.ValueKind == JsonValueKind.True, Member(proof, "level")?.GetString(), Names(proof, "methods"), Names(proof, "keep"));
                    break;
                case "sign_in":
                    if (argument.GetString() != "sesame")
                    {
                        return false;
                    }
                    await session.LoginAsync(name);
                    return true;
                case "require_login":
                    var within = Member(step[1], "within")?.GetDouble();
                    return session.RequireLogin(
                        within is double seconds ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null, Member(step[1], "level")?.GetString());
                case "grant": session.GrantOnce(name, argument.ValueKind == JsonValueKind.Number ? TimeSpan.FromSeconds(argument.GetDouble()) : (TimeSpan?)null); break;
                case "use_grant": await session.UseGrantAsync(name); break;
                case "proved": return new { level = session.Level, methods = session.Methods };
                case "logout": await session.LogoutAsync(); break;
                case "regenerate": await session.RegenerateAsync(); break;
                case "start": await session.StartAsync(); break;
                case "commit": await plain.CommitAsync(); break;
                case "commit_thrice": await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => plain.CommitAsync())); break;
                case "commit_and":
                    var commit = plain.CommitAsync();
                    var during = await DoStepAsync(context, step[1].EnumerateArray().ToArray());
                    await commit;
                    return during;
                case "commit_for":
                    using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(step[1].GetDouble())))
                    {
                        try
                        {
                            await plain.CommitAsync(patience.Token);
                            return "committed";
                        }
                        catch (OperationCanceledException)
                        {
                            return "cancelled";
                        }
                    }
                case "facts":
                    return new
                    {
                        id = plain.Id.StartsWith("new-", StringComparison.Ordinal) ? "" : plain.Id,
                        user_id = session.UserId,
                        end_reason = session.EndReason,
                        authenticated = session.AuthenticatedAt != null,
                        expires = session.ExpiresAt,
                    };
                case "id": return plain.Id;
                case "wait":
                    TurnstileNamed(name).Arrived.TrySetResult(true);
                    await TurnstileNamed(name).Released.Task;
                    break;
                case "write": await context.Response.WriteAsync(name); break;
                case "status": context.Response.StatusCode = step[1].GetInt32(); break;
                case "header": context.Response.Headers[name] = argument.GetString(); break;
                case "length": context.Response.ContentLength = step[1].GetInt64(); break;
                case "redirect": context.Response.Redirect(name); break;
                case "on_starting":
                    context.Response.OnStarting(() =>
                    {
                        session.Set(name, "late");
                        return Task.CompletedTask;
                    });
                    break;
                case "throw": throw new ApplicationException("as it was asked to");
                default: throw new ArgumentException("no such step");
            }
            return null;
        }
    }

    internal sealed class Cart
    {
        public int Amount { get; set; } = 7;
    }

    /// <summary>Where a request waits until the test lets it go on.</summary>
    internal sealed class Turnstile
    {
        public TaskCompletionSource<bool> Arrived { get; } = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource<bool> Released { get; } = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
