using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Net.Http;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Extensions.Logging;

namespace Sojourn.AspNetCore
{
    /// <summary>Those who wait for the end of sessions: of each session one question is under way, however many wait.</summary>
    internal sealed class Ends : IDisposable
    {
        // How long the service is to wait for an end, in seconds, before it says that there was none.
        private const int Wait = 20;

        private static readonly TimeSpan _patience = TimeSpan.FromSeconds(Wait + 5);
        private static readonly TimeSpan _pause = TimeSpan.FromSeconds(1);

        private readonly HttpClient _client;
        private readonly ILogger _logger;
        private readonly Dictionary<string, Watch> _watches = new Dictionary<string, Watch>();
        private bool _isTold;

        /// <summary>Over a client of its own: the connections of opens and commits are for what is answered at once.</summary>
        public Ends(HttpClient client, ILogger logger)
        {
            _client = client;
            _logger = logger;
        }

        /// <summary>
        /// Calls `ended` with the reason once the session is over, which lives for so long as far as is known; not after what
        /// is returned was disposed of.
        /// </summary>
        public IDisposable Follow(string id, TimeSpan left, Action<string?> ended)
        {
            lock (_watches)
            {
                if (!_watches.TryGetValue(id, out var watch))
                {
                    _watches[id] = watch = new Watch();
                    var begun = watch;
                    _ = Task.Run(() => WatchAsync(id, begun));
                }
                watch.GoodUntil = DateTimeOffset.UtcNow + left;
                return new Follower(this, id, watch, ended);
            }
        }

        public void Dispose() => _client.Dispose();

        private async Task WatchAsync(string id, Watch watch)
        {
            var stopped = watch.Stopped.Token;
            while (!stopped.IsCancellationRequested)
            {
                try
                {
                    var seen = await AskAsync(id, stopped);
                    _isTold = false;
                    if (seen.GetProperty("ended").GetBoolean())
                    {
                        End(id, watch, seen.GetProperty("end_reason").GetString());
                        return;
                    }
                    var left = seen.GetProperty("expires_at").GetInt64() - seen.GetProperty("now").GetInt64();
                    watch.GoodUntil = DateTimeOffset.UtcNow.AddMilliseconds(left);
                }
                catch (Exception) when (stopped.IsCancellationRequested)
                {
                    return;
                }
                catch (Exception error)
                {
                    if (DateTimeOffset.UtcNow >= watch.GoodUntil)
                    {
                        // What the service said last holds for as long as it said.
                        End(id, watch, null);
                        return;
                    }
                    Warn(error);
                    await Task.WhenAny(Task.Delay(_pause, stopped));
                }
            }
        }

        private async Task<JsonElement> AskAsync(string id, CancellationToken stopped)
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(stopped);
            patience.CancelAfter(_patience);
            using var response = await _client.GetAsync($"v1/sessions/{id}/end?wait={Wait}", patience.Token);
            if (response.StatusCode != HttpStatusCode.OK)
            {
                throw new HttpRequestException($"the session service answered {(int)response.StatusCode}");
            }
            return JsonValue.Read(await response.Content.ReadAsByteArrayAsync());
        }

        private void End(string id, Watch watch, string? reason)
        {
            foreach (var follower in Stop(id, watch))
            {
                follower.Tell(reason);
            }
        }

        private List<Follower> Stop(string id, Watch watch)
        {
            lock (_watches)
            {
                if (_watches.TryGetValue(id, out var current) && current == watch)
                {
                    _watches.Remove(id);
                }
                watch.Stopped.Cancel();
                return watch.Followers.ToList();
            }
        }

        private void Warn(Exception error)
        {
            if (!_isTold)
            {
                _isTold = true;
                _logger.LogWarning("Nobody tells of the end of sessions: {Message}. It is asked for again each second.", error.Message);
            }
        }

        private sealed class Watch
        {
            public HashSet<Follower> Followers { get; } = new HashSet<Follower>();

            public CancellationTokenSource Stopped { get; } = new CancellationTokenSource();

            /// <summary>By our clock: past it the session is over, whether the service can be asked or not.</summary>
            public DateTimeOffset GoodUntil { get; set; }
        }

        private sealed class Follower : IDisposable
        {
            private readonly Ends _ends;
            private readonly string _id;
            private readonly Watch _watch;
            private readonly Action<string?> _ended;

            public Follower(Ends ends, string id, Watch watch, Action<string?> ended)
            {
                _ends = ends;
                _id = id;
                _watch = watch;
                _ended = ended;
                watch.Followers.Add(this);
            }

            public void Tell(string? reason) => _ended(reason);

            public void Dispose()
            {
                lock (_ends._watches)
                {
                    _watch.Followers.Remove(this);
                    if (_watch.Followers.Count > 0)
                    {
                        return;
                    }
                }
                _ends.Stop(_id, _watch);
            }
        }
    }
}
