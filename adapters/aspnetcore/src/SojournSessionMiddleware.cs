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
        private readonly Transport _transport;
        private readonly ILogger<SojournSessionMiddleware> _logger;

        public SojournSessionMiddleware(
            RequestDelegate next, SessionService service, IOptions<SojournSessionOptions> options,
            ILogger<SojournSessionMiddleware> logger)
        {
            _next = next;
            _service = service;
            _options = options.Value;
            _origins = new OriginCheck(_options.TrustedOrigins, _options.CrossSitePaths);
            _transport = new Transport(_options);
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
            if (NoSojournSessionAttribute.IsOn(context.GetEndpoint()))
            {
                await _next(context);
                return;
            }
            var isBearer = _transport.IsBearer(context.Request);
            var shown = _transport.ShownBy(context.Request, isBearer);
            var exchange = new Exchange(_service, _transport, context, shown) { IsPassive = _options.IsPassive(context) };
            var refusal = RefusalOf(context.Request, isBearer) ?? await ProblemOf(exchange.OpenAsync);
            if (refusal != null)
            {
                await refusal.SendAsync(context, body, _transport.Vary);
                return;
            }
            context.Features.Set<ISessionFeature>(new SessionFeature(context, exchange, new SojournSession(exchange, _options.Json)));
            context.Response.OnStarting(() => TellAsync(context, exchange));
            await RunAsync(context, exchange, body);
        }

        private async Task RunAsync(HttpContext context, Exchange exchange, IHttpResponseBodyFeature body)
        {
            var isReplaced = false;
            async Task<bool> MayGoAsync(Problem? problem)
            {
                if (problem != null && !context.Response.HasStarted)
                {
                    isReplaced = true;
                    await problem.SendAsync(context, body, _transport.Vary);
                }
                else if (!isReplaced && !context.Response.HasStarted)
                {
                    // Before what lies outside looks at them: caches do when the first byte comes.
                    Tell(context, exchange);
                }
                return !isReplaced;
            }
            var gate = new ResponseGate(
                body,
                async () => await MayGoAsync(isReplaced ? null : await ProblemOf(exchange.FinishAsync)),
                () => context.Features.Get<IHttpBodyControlFeature>()?.AllowSynchronousIO ?? true);
            context.Features.Set<IHttpResponseBodyFeature>(gate);
            try
            {
                await _next(context);
                await gate.FinishAsync();
                if (context.Response.HasStarted && !isReplaced)
                {
                    await FinishLateAsync(exchange);
                }
            }
            catch (SojournException error) when (error.Problem != null && !context.Response.HasStarted)
            {
                await MayGoAsync(error.Problem);
            }
            finally
            {
                context.Features.Set(body);
            }
        }

        private Problem? RefusalOf(HttpRequest request, bool isBearer) =>
            isBearer ? _transport.RefusalOf(request) : _options.DangerouslyAllowCrossOrigin ? null : _origins.RefusalOf(request);

        /// <summary>The answer starts: what others set as late as this is written, and told.</summary>
        private async Task TellAsync(HttpContext context, Exchange exchange)
        {
            await exchange.FinishAsync();
            exchange.IsSealed = true;
            Tell(context, exchange);
        }

        /// <summary>Puts into the answer what caches and the browser must know; again where others took it away.</summary>
        private void Tell(HttpContext context, Exchange exchange)
        {
            var isTold = exchange.Reply.Write(context.Response.Headers);
            if (exchange.IsAccessed || isTold)
            {
                Caches.Depend(context, _transport.Vary);
            }
            if (isTold)
            {
                Caches.NeverStore(context.Response.Headers);
            }
        }

        private async Task FinishLateAsync(Exchange exchange)
        {
            try
            {
                await exchange.FinishAsync();
            }
            catch (SojournException error)
            {
                _logger.LogWarning("What was changed after the answer's first byte was not kept: {Message}", error.Message);
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
            private readonly HttpContext _context;
            private ISession _session;

            public SessionFeature(HttpContext context, Exchange exchange, ISession session)
            {
                _context = context;
                Exchange = exchange;
                _session = session;
            }

            public Exchange Exchange { get; }

            public ISession Session
            {
                get
                {
                    Caches.Look(_context, Exchange.Vary, isFirst: !Exchange.IsAccessed);
                    Exchange.IsAccessed = true;
                    return _session;
                }
                set => _session = value;
            }
        }
    }
}
