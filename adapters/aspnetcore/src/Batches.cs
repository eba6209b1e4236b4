using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net;
using System.Text;
using System.Text.Json;
using System.Threading;
using System.Threading.Tasks;

namespace Sojourn.AspNetCore
{
    /// <summary>An open or a commit, and what becomes of it.</summary>
    internal sealed class ServiceCall
    {
        private readonly TaskCompletionSource<Outcome> _outcome =
            new TaskCompletionSource<Outcome>(TaskCreationOptions.RunContinuationsAsynchronously);

        public ServiceCall(string name, ReadOnlyMemory<byte> body, bool isRepeatable)
        {
            Name = name;
            Body = body;
            IsRepeatable = isRepeatable;
        }

        /// <summary>"open" or "commit".</summary>
        public string Name { get; }

        public ReadOnlyMemory<byte> Body { get; }

        /// <summary>Whether it may be sent twice: to open is to ask, but with a proof, which is good once.</summary>
        public bool IsRepeatable { get; }

        public Task<Outcome> Outcome => _outcome.Task;

        public bool IsSettled => _outcome.Task.IsCompleted;

        public void Settle(Outcome outcome) => _outcome.TrySetResult(outcome);
    }

    /// <summary>What the service answered; or why it did not; or, where both are null, that the call is to be sent alone.</summary>
    internal readonly struct Outcome
    {
        public Outcome(HttpStatusCode status, JsonElement answer)
            : this() => Answer = (status, answer);

        public Outcome(Exception failure)
            : this() => Failure = failure;

        public (HttpStatusCode Status, JsonElement Body)? Answer { get; }

        public Exception? Failure { get; }
    }

    /// <summary>Where a batch is sent: its body, and what is called with each piece of the answer of a 200.</summary>
    /// <returns>The status, and the body of any other answer.</returns>
    internal delegate Task<(HttpStatusCode Status, byte[] Body)> SendBatch(
        ReadOnlyMemory<byte> body, Action<ReadOnlyMemory<byte>> heard);

    /// <summary>
    /// Opens and commits that are under way at one time go together: one batch, and what comes meanwhile waits until it begins
    /// to be answered, a hundredth of a second at most.
    /// </summary>
    internal sealed class Batches
    {
        // A longer call goes alone, so that a batch stays within what a service takes.
        public const int Long = 64 * 1024;

        private const int LongestBatch = 512 * 1024;
        private const int MostCalls = 128;
        private static readonly TimeSpan _patience = TimeSpan.FromMilliseconds(10);

        private readonly SendBatch _send;
        private readonly object _lock = new object();
        private readonly Queue<ServiceCall> _waiting = new Queue<ServiceCall>();
        private IReadOnlyList<ServiceCall>? _holding;
        private bool _isGathering;

        public Batches(SendBatch send) => _send = send;

        /// <summary>How many calls a batch may hold, as the service says; 0 where it knows none.</summary>
        public int Most { get; set; }

        /// <summary>Sends the call with those that wait.</summary>
        public void Add(ServiceCall call)
        {
            lock (_lock)
            {
                _waiting.Enqueue(call);
                Gather();
            }
        }

        public static byte[] Body(IEnumerable<ServiceCall> calls)
        {
            using var body = new MemoryStream();
            foreach (var call in calls)
            {
                body.Write(Encoding.ASCII.GetBytes($"{{\"{call.Name}\":"));
                body.Write(call.Body.Span);
                body.Write(new[] { (byte)'}', (byte)'\n' });
            }
            return body.ToArray();
        }

        // What other threads bring until this one has its turn goes with it.
        private void Gather()
        {
            if (_isGathering || _holding != null || _waiting.Count == 0)
            {
                return;
            }
            _isGathering = true;
            ThreadPool.UnsafeQueueUserWorkItem(batches => batches.SendNext(), this, preferLocal: false);
        }

        private void SendNext()
        {
            List<ServiceCall> calls;
            lock (_lock)
            {
                _isGathering = false;
                if (_holding != null || (calls = Take()).Count == 0)
                {
                    return;
                }
                _holding = calls;
            }
            _ = CarryAsync(calls);
        }

        private List<ServiceCall> Take()
        {
            var calls = new List<ServiceCall>();
            for (var size = 0; _waiting.TryPeek(out var call); size += call.Body.Length)
            {
                if (calls.Count >= Math.Min(Math.Max(Most, 1), MostCalls) || size + call.Body.Length > LongestBatch)
                {
                    break;
                }
                _waiting.Dequeue();
                if (!call.IsSettled)
                {
                    calls.Add(call);
                }
            }
            return calls;
        }

        private void LetGo(IReadOnlyList<ServiceCall> calls)
        {
            lock (_lock)
            {
                if (_holding == calls)
                {
                    _holding = null;
                    Gather();
                }
            }
        }

        private async Task CarryAsync(IReadOnlyList<ServiceCall> calls)
        {
            using var patience = new Timer(_ => LetGo(calls), null, _patience, Timeout.InfiniteTimeSpan);
            var isBegun = false;
            try
            {
                var answers = new BatchAnswers(calls);
                var (status, body) = await _send(Body(calls), bytes =>
                {
                    isBegun = true;
                    answers.Hear(bytes.Span);
                    LetGo(calls);
                });
                if (status != HttpStatusCode.OK)
                {
                    Refuse(calls, status, body);
                    return;
                }
                throw new IOException("a call of a batch was left without an answer");
            }
            catch (Exception error)
            {
                var isCut = isBegun || error is IOException || error.InnerException is IOException;
                foreach (var call in calls)
                {
                    // What of it was carried out, nobody knows.
                    call.Settle(call.IsRepeatable && isCut ? default : new Outcome(error));
                }
            }
            finally
            {
                LetGo(calls);
            }
        }

        private void Refuse(IEnumerable<ServiceCall> calls, HttpStatusCode status, byte[] body)
        {
            var answer = JsonValue.Read(body);
            var isUnknown = Problem.Read((int)status, answer)?.Code == "not-found";
            if (isUnknown)
            {
                // An older service, and nothing was done.
                Most = 0;
            }
            foreach (var call in calls)
            {
                call.Settle(isUnknown ? default : new Outcome(status, answer));
            }
        }
    }

    /// <summary>The answers to a batch, from the pieces that come of its body.</summary>
    internal sealed class BatchAnswers
    {
        private readonly IReadOnlyList<ServiceCall> _calls;
        private readonly MemoryStream _rest = new MemoryStream();

        public BatchAnswers(IReadOnlyList<ServiceCall> calls) => _calls = calls;

        /// <summary>Settles the calls whose lines are whole now. Throws for what is no answer.</summary>
        public void Hear(ReadOnlySpan<byte> bytes)
        {
            for (int end; (end = bytes.IndexOf((byte)'\n')) >= 0; bytes = bytes.Slice(end + 1))
            {
                _rest.Write(bytes.Slice(0, end));
                var line = JsonValue.Read(_rest.ToArray());
                _rest.SetLength(0);
                if (line.ValueKind != JsonValueKind.Object || !line.TryGetProperty("call", out var place)
                    || !place.TryGetInt32(out var which) || which < 0 || which >= _calls.Count)
                {
                    throw new IOException("what answers a batch is no session service");
                }
                _calls[which].Settle(new Outcome((HttpStatusCode)line.GetProperty("status").GetInt32(), line.GetProperty("answer")));
            }
            _rest.Write(bytes);
        }
    }
}
