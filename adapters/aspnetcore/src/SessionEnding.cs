using System;
using System.Threading;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>The end of a session, for what goes on for long in one of its requests: an event stream, a long poll.</summary>
    public sealed class SessionEnding
    {
        private readonly CancellationTokenSource _source;

        internal SessionEnding(HttpContext context)
        {
            _source = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
            Token = _source.Token;
            context.Response.RegisterForDispose(_source);
        }

        /// <summary>Cancelled once the session is over, wherever it was ended, or the browser has hung up.</summary>
        public CancellationToken Token { get; }

        /// <summary>Whether the session is over.</summary>
        public bool HasEnded { get; private set; }

        /// <summary>Why it is over, as <see cref="SojournSession.EndReason"/>; null where nobody can say.</summary>
        public string? Reason { get; private set; }

        internal void End(string? reason)
        {
            Reason = reason;
            HasEnded = true;
            try
            {
                _source.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // The request was over first.
            }
        }
    }
}
