using System;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Sojourn.AspNetCore
{
    /// <summary>The session service, over a few connections that stay open.</summary>
    internal sealed class SessionService : IDisposable
    {
        private const int MostConnections = 64;

        // Idle connections are not kept as long as servers and proxies keep them, so that none is closed under a request.
        private static readonly TimeSpan _keepIdle = TimeSpan.FromSeconds(30);
        private static readonly TimeSpan _tellEvery = TimeSpan.FromSeconds(5);

        private readonly string _url;
        private readonly TimeSpan _timeout;
        private readonly HttpClient _client;
        private readonly ILogger<SessionService> _logger;
        private readonly Batches _batches;
        private int _unsettled;
        private long _toldAt = long.MinValue;

        public SessionService(IOptions<SojournSessionOptions> options, ILogger<SessionService> logger)
        {
            var wanted = options.Value;
            if (wanted.Timeout <= TimeSpan.Zero || wanted.Timeout > TimeSpan.FromSeconds(60))
            {
                throw new InvalidOperationException("options.Timeout: give more than none, and at most a minute.");
            }
            _logger = logger;
            _url = wanted.Service;
            _timeout = wanted.Timeout;
            var handler = Handler();
            handler.MaxConnectionsPerServer = MostConnections;
            var address = Address(wanted.Service, handler);
            if (address.Scheme == "http" && !address.IsLoopback && !address.Host.EndsWith(".localhost", StringComparison.OrdinalIgnoreCase)
                && !wanted.DangerouslyAllowPlainHttp)
            {
                throw new InvalidOperationException(
                    $"options.Service: {wanted.Service} is another machine, and on http:// everybody between the two can read the API "
                    + "key and all tokens. Give https://…, with a proxy in front of the service, or set DangerouslyAllowPlainHttp.");
            }
            _client = Client(handler, address, wanted.Key);
            // As many as there are sessions that are waited for.
            var patient = Handler();
            Address(wanted.Service, patient);
            Ends = new Ends(Client(patient, address, wanted.Key), logger);
            _batches = new Batches(SendBatchAsync);
        }

        /// <summary>Who waits for the end of a session.</summary>
        public Ends Ends { get; }

        /// <summary>What the token opens. Sent twice at need, but with a proof.</summary>
        public Task<JsonElement> OpenAsync(string token, VisitorKey? key) =>
            PostAsync(new ServiceCall("open", Wire.Open(token, key), isRepeatable: key == null || !key.HandsProofOn));

        /// <summary>What comes of a commit. It is never sent twice.</summary>
        public Task<JsonElement> CommitAsync(ReadOnlyMemory<byte> body) => PostAsync(new ServiceCall("commit", body, isRepeatable: false));

        public void Dispose()
        {
            _client.Dispose();
            Ends.Dispose();
        }

        private static SocketsHttpHandler Handler() => new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            PooledConnectionIdleTimeout = _keepIdle,
            UseCookies = false,
            UseProxy = false,
        };

        private static HttpClient Client(SocketsHttpHandler handler, Uri address, string? key)
        {
            var client = new HttpClient(handler) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", Checked(key));
            return client;
        }

        private async Task<JsonElement> PostAsync(ServiceCall call)
        {
            var (status, answer) = await AskAsync(call);
            if (status == HttpStatusCode.OK && answer.ValueKind == JsonValueKind.Object && answer.TryGetProperty("status", out _))
            {
                return answer;
            }
            throw Refusal((int)status, answer);
        }

        // Alone where no other call is under way.
        private async Task<(HttpStatusCode, JsonElement)> AskAsync(ServiceCall call)
        {
            using var patience = new CancellationTokenSource(_timeout);
            try
            {
                if (Interlocked.Increment(ref _unsettled) == 1 || _batches.Most == 0 || call.Body.Length > Batches.Long)
                {
                    return await SendAsync(call, patience.Token);
                }
                using var late = patience.Token.Register(() => call.Settle(new Outcome(new OperationCanceledException())));
                _batches.Add(call);
                var outcome = await call.Outcome;
                return outcome.Failure switch
                {
                    null => outcome.Answer ?? await SendAsync(call, patience.Token),
                    OperationCanceledException _ => throw Late(),
                    SojournException error => throw error,
                    var error => throw Failed($"did not answer: {error.Message}", error),
                };
            }
            finally
            {
                Interlocked.Decrement(ref _unsettled);
            }
        }

        private async Task<(HttpStatusCode, byte[])> SendBatchAsync(ReadOnlyMemory<byte> body, Action<ReadOnlyMemory<byte>> heard)
        {
            using var patience = new CancellationTokenSource(_timeout);
            using var request = Request("v1/batch", "application/x-ndjson", body);
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                return (response.StatusCode, await response.Content.ReadAsByteArrayAsync());
            }
            Learn(response);
            var buffer = new byte[64 * 1024];
            using var stream = await response.Content.ReadAsStreamAsync();
            for (int count; (count = await stream.ReadAsync(buffer.AsMemory(), patience.Token)) > 0;)
            {
                heard(buffer.AsMemory(0, count));
            }
            return (response.StatusCode, Array.Empty<byte>());
        }

        private static HttpRequestMessage Request(string path, string type, ReadOnlyMemory<byte> body)
        {
            var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ReadOnlyMemoryContent(body) };
            request.Content.Headers.ContentType = new MediaTypeHeaderValue(type);
            return request;
        }

        private void Learn(HttpResponseMessage response)
        {
            var told = response.Headers.TryGetValues("sojourn-batches", out var values) ? values.First() : "";
            _batches.Most = int.TryParse(told, NumberStyles.None, CultureInfo.InvariantCulture, out var most) ? most : 0;
        }

        private async Task<(HttpStatusCode, JsonElement)> SendAsync(ServiceCall call, CancellationToken patience)
        {
            var repeatable = call.IsRepeatable;
            while (true)
            {
                using var request = Request($"v1/{call.Name}", "application/json", call.Body);
                try
                {
                    using var response = await _client.SendAsync(request, patience);
                    if (response.StatusCode == HttpStatusCode.OK)
                    {
                        Learn(response);
                    }
                    return (response.StatusCode, JsonValue.Read(await response.Content.ReadAsByteArrayAsync()));
                }
                catch (OperationCanceledException)
                {
                    throw Late();
                }
                catch (HttpRequestException error) when (repeatable && error.InnerException is IOException)
                {
                    // A server that restarted hangs up on kept connections: that says nothing about a new one.
                    repeatable = false;
                }
                catch (HttpRequestException error)
                {
                    throw Failed($"did not answer: {error.Message}", error);
                }
            }
        }

        private SojournException Late() => Failed($"did not answer within {_timeout.TotalSeconds:0.###} s");

        private SojournException Refusal(int status, JsonElement answer)
        {
            var problem = Problem.Read(status, answer);
            switch (problem?.Code)
            {
                case null when status >= 500:
                    return Failed($"answered {status}, and not as Sojourn does");
                case null:
                    // A proxy in between, most likely.
                    return new SojournException(
                        "unexpected-answer", $"The session service at {_url} answered {status}, and not as Sojourn does.");
                case "store-unavailable":
                    return Failed("does not reach its store");
                case "session-ended":
                case "session-conflict":
                case "session-limit":
                case "session-refused":
                case "data-too-large":
                case "body-too-large":
                case "reauthentication-required":
                case string code when Challenge.IsFor(code):
                    return new SojournException(problem.Code, problem.Detail, problem);
                default:
                    return new SojournException(
                        problem.Code, $"The session service refused what it was sent ({problem.Code}): {problem.Detail}");
            }
        }

        private SojournException Failed(string how, Exception? cause = null)
        {
            var message = $"The session service at {_url} {how}.";
            var (now, told) = (Environment.TickCount, Interlocked.Read(ref _toldAt));
            // Not for each of ten thousand requests a second.
            if ((told == long.MinValue || now - told >= _tellEvery.TotalMilliseconds || now < told)
                && Interlocked.CompareExchange(ref _toldAt, now, told) == told)
            {
                _logger.LogWarning("{Message} Requests with a session get 503 until it does.", message);
            }
            return SojournException.Unavailable(message, cause);
        }

        internal static string Checked(string? key)
        {
            if (key != null && Regex.IsMatch(key, @"\Asjk1-[0-9a-f]{8}-[0-9a-f]{64}\z"))
            {
                return key;
            }
            var what = string.IsNullOrEmpty(key) ? "there is none" : key.StartsWith("sj1-", StringComparison.Ordinal) ? "this is a session's token" : "this is none";
            throw new InvalidOperationException(
                $"options.Key: give the service's API key, sjk1-… ({what}). `sojourn keys make` makes one.");
        }

        private static Uri Address(string service, SocketsHttpHandler handler)
        {
            if (service != null && service.StartsWith("unix:/", StringComparison.Ordinal))
            {
                UseUnixSocket(handler, service.Substring(service.StartsWith("unix:///", StringComparison.Ordinal) ? 7 : 5));
                return new Uri("http://localhost/");
            }
            if (Uri.TryCreate(service, UriKind.Absolute, out var url) && (url.Scheme == "http" || url.Scheme == "https")
                && url.UserInfo == "" && url.Query == "" && url.Fragment == "")
            {
                return new Uri(url.AbsoluteUri.TrimEnd('/') + "/");
            }
            throw new InvalidOperationException(
                "options.Service: give the service's address, such as \"http://127.0.0.1:8100\" or \"unix:/run/sojourn.sock\".");
        }

#if NET5_0_OR_GREATER
        private static void UseUnixSocket(SocketsHttpHandler handler, string path)
        {
            handler.ConnectCallback = async (_, cancelled) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancelled);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            };
        }
#else
        private static void UseUnixSocket(SocketsHttpHandler handler, string path) =>
            throw new InvalidOperationException($"options.Service: a unix socket ({path}) needs .NET 5 or later. Give http://….");
#endif
    }
}
