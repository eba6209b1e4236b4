using System;
using System.Collections.Generic;

namespace Sojourn.AspNetCore
{
    /// <summary>
    /// What a session could not do. <see cref="Code"/> says which failure: <c>session-ended</c>, <c>session-conflict</c>,
    /// <c>session-limit</c>, <c>data-too-large</c>, <c>store-unavailable</c> (also: the service did not answer); and the
    /// mistakes of whoever wrote or runs the application: <c>invalid-data</c>, <c>api-key-refused</c>, …
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

        /// <summary>The HTTP status that says it to a visitor: 500 for a mistake, which is no answer to anybody.</summary>
        public int StatusCode => Problem?.Status ?? 500;

        /// <summary>What a visitor may be told; null for a mistake.</summary>
        internal Problem? Problem { get; }

        internal static SojournException Unavailable(string message, Exception? cause = null) =>
            new SojournException("store-unavailable", message, Problem.Unavailable, cause);
    }
}
