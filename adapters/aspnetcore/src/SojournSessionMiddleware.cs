using System;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Sojourn.AspNetCore
{
    /// <summary>Opens each request's session, and commits it before the answer's first byte.</summary>
    internal sealed class SojournSessionMiddleware
    {
        private readonly RequestDelegate _next;
        private readonly SessionService _service;
        private readonly SojournSessionOptions _options;
        private readonly OriginCheck _origins;
        private readonly ILogger<SojournSessionMiddleware> _logger;

        public SojournSessionMiddleware(
            RequestDelegate next, SessionService service, IOptions<SojournSessionOptions> options,
            ILogger<SojournSessionMiddleware> logger)
        {
            _next = next;
            _service = service;
            _options = options.Value;
            _origins = new OriginCheck(_options.TrustedOrigins);
            _logger = logger;
        }

        public async Task InvokeAsync(HttpContext context)
        {
            var body = context.Features.Get<IHttpResponseBodyFeature>()!;
            switch (context.Features.Get<ISessionFeature>())
            {
                case null:
                    break;
                case SessionFeature again:
                    // UseExceptionHandler and UseStatusCodePagesWithReExecute send a request through here twice.
                    await RunAsync(context, again.Exchange, body);
                    return;
                default:
                    throw new InvalidOperationException("There is a session already: use UseSession() or UseSojournSession(), not both.");
            }
            var token = SessionCookie.Find(context.Request.Headers["Cookie"], _options.CookieName, out var isAmbiguous);
            var refusal = isAmbiguous ? Problem.Ambiguous : null;
            if (!_options.DangerouslyAllowCrossOrigin && _origins.IsCrossOrigin(context.Request))
            {
                refusal = Problem.CrossOrigin;
            }
            var exchange = new Exchange(_service, _options.CookieName, token, context) { IsPassive = _options.IsPassive(context) };
            if (refusal == null)
            {
                refusal = await ProblemOf(exchange.OpenAsync);
            }
            if (refusal != null)
            {
                await refusal.SendAsync(context, body);
                return;
            }
            context.Features.Set<ISessionFeature>(new SessionFeature(exchange, new SojournSession(exchange, _options.Json)));
            context.Response.OnStarting(() => TellAsync(context, exchange));
            await RunAsync(context, exchange, body);
        }

        private async Task RunAsync(HttpContext context, Exchange exchange, IHttpResponseBodyFeature body)
        {
            var isReplaced = false;
            async Task<bool> ReplaceAsync(Problem? problem)
            {
                if (problem != null && !context.Response.HasStarted)
                {
                    isReplaced = true;
                    await problem.SendAsync(context, body);
                }
                return !isReplaced;
            }
            var gate = new ResponseGate(
                body,
                async () => isReplaced ? false : await ReplaceAsync(await ProblemOf(exchange.FinishAsync)),
                () => context.Features.Get<IHttpBodyControlFeature>()?.AllowSynchronousIO ?? true);
            context.Features.Set<IHttpResponseBodyFeature>(gate);
            try
            {
                await _next(context);
                await gate.FinishAsync();
            }
            catch (SojournException error) when (error.Problem != null && !context.Response.HasStarted)
            {
                await ReplaceAsync(error.Problem);
            }
            catch when (!context.Response.HasStarted)
            {
                // As ASP.NET Core's own session: what was changed before is kept.
                await TryFinishAsync(exchange);
                throw;
            }
            finally
            {
                context.Features.Set(body);
            }
        }

        /// <summary>Puts into the answer what caches and the browser must know.</summary>
        private async Task TellAsync(HttpContext context, Exchange exchange)
        {
            if (context.Response.StatusCode < 500)
            {
                // Nothing, but for what others set as late as this.
                await exchange.FinishAsync();
            }
            else
            {
                await TryFinishAsync(exchange);
            }
            exchange.IsSealed = true;
            var headers = context.Response.Headers;
            if (exchange.IsAccessed || exchange.SetCookie != null)
            {
                Vary.AddCookie(headers);
            }
            if (exchange.SetCookie != null)
            {
                headers["Cache-Control"] = "no-store";
                headers.Append("Set-Cookie", exchange.SetCookie);
            }
        }

        private async Task TryFinishAsync(Exchange exchange)
        {
            try
            {
                await exchange.FinishAsync();
            }
            catch (SojournException error)
            {
                _logger.LogWarning("What a failing request had changed was not kept: {Message}", error.Message);
            }
        }

        /// <summary>What a visitor is told where `work` fails; null where it does not.</summary>
        private static async Task<Problem?> ProblemOf(Func<Task> work)
        {
            try
            {
                await work();
                return null;
            }
            catch (SojournException error) when (error.Problem != null)
            {
                return error.Problem;
            }
        }

        private sealed class SessionFeature : ISessionFeature
        {
            private ISession _session;

            public SessionFeature(Exchange exchange, ISession session)
            {
                Exchange = exchange;
                _session = session;
            }

            public Exchange Exchange { get; }

            public ISession Session
            {
                get
                {
                    Exchange.IsAccessed = true;
                    return _session;
                }
                set => _session = value;
            }
        }
    }
}
