using System;
using System.Collections.Generic;

namespace Sojourn.AspNetCore
{
    /// <summary>
    /// What a session could not do. <see cref="Code"/> says which failure: <c>session-ended</c>, <c>session-conflict</c>,
    /// <c>session-limit</c>, <c>session-refused</c>, <c>data-too-large</c>, <c>login-required</c>, <c>reauthentication-required</c>,
    /// <c>store-unavailable</c> (also: the service did not answer), <c>proof-…</c> (the session is bound to a key that was not proved); and the mistakes of whoever wrote or runs the application: <c>invalid-data</c>, <c>api-key-refused</c>, …
    /// No message holds a token, a key, or a value from a session.
    /// </summary>
    public sealed class SojournException : Exception
    {
        internal SojournException(string code, string message, Problem? problem = null, Exception? cause = null)
            : base(message, cause)
        {
            Code = code;
            Problem = problem;
        }

        /// <summary>Which failure.</summary>
        public string Code { get; }

        /// <summary>Why the session ended, if that is what failed and the service still knows.</summary>
        public string? EndReason => Problem?.EndReason;

        /// <summary>Which keys another request changed too, if that is what failed (<c>session-conflict</c>).</summary>
        public IReadOnlyList<string>? Keys => Problem?.Keys;

        /// <summary>How many bytes the session's data would have, if that is what failed (<c>data-too-large</c>).</summary>
        public long? Size => Problem?.Size;

        /// <summary>
        /// How much is allowed, if it was too much: bytes (<c>data-too-large</c>, <c>body-too-large</c>) or sessions
        /// (<c>session-limit</c>).
        /// </summary>
        public long? Limit => Problem?.Limit;

        /// <summary>How long ago the log-in may have been, if that is what failed (<c>reauthentication-required</c>).</summary>
        public TimeSpan? MaxAge => Problem?.MaxAge is double seconds ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null;

        /// <summary>The level that the log-in must have, if that is what failed (<c>reauthentication-required</c>).</summary>
        public string? Level => Problem?.Level;

        /// <summary>What wants a proof of its own, if that is what failed (<c>reauthentication-required</c>).</summary>
        public string? Action => Problem?.Action;

        /// <summary>How long to wait before the next try, if that is what failed (<c>session-refused</c>).</summary>
        public TimeSpan? RetryAfter => Problem?.RetryAfter is long seconds ? TimeSpan.FromSeconds(seconds) : (TimeSpan?)null;

        /// <summary>The HTTP status that says it to a visitor: 500 for a mistake, which is no answer to anybody.</summary>
        public int StatusCode => Problem?.Status ?? 500;

        /// <summary>What a visitor may be told; null for a mistake.</summary>
        internal Problem? Problem { get; }

        internal static SojournException Unavailable(string message, Exception? cause = null) =>
            new SojournException("store-unavailable", message, Problem.Unavailable, cause);
    }
}
