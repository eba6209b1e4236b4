using System;
using System.Linq;
using System.Text.Json;

namespace Sojourn.AspNetCore
{
    /// <summary>Whether what a log-in proved, and when, is enough for what is asked.</summary>
    internal static class StepUp
    {
        // What the keys of one-time grants begin with, in a session's data.
        private const string Grant = "_grant:";

        private static readonly string[] _levels = { "aal1", "aal2", "aal3" };

        public static void CheckLevel(string? level)
        {
            if (level != null && !_levels.Contains(level))
            {
                throw new ArgumentException($"\"{level}\" is no level: give one of aal1, aal2 and aal3.", nameof(level));
            }
        }

        /// <summary>
        /// The user's id, where the log-in is recent enough and high enough. `since` is how many milliseconds ago it was, and
        /// `proved` its level. `owed` is a nonce where the session owes a proof of its key: then no log-in is enough.
        /// </summary>
        public static string Check(string? userId, long? since, string? proved, TimeSpan? within, string? level, string? endReason, string? owed = null)
        {
            CheckLevel(level);
            if (userId == null || since == null)
            {
                throw Error(Problem.LoginRequired(endReason));
            }
            var isTooLow = level != null && Array.IndexOf(_levels, proved) < Array.IndexOf(_levels, level);
            if (isTooLow || (within != null && owed != null) || since > within?.TotalMilliseconds)
            {
                throw Error(Problem.LoginTooOldOrLow(within, level, owed));
            }
            return userId;
        }

        /// <summary>The key of a session's data under which a one-time grant for `action` is kept.</summary>
        public static string GrantKey(string action) =>
            string.IsNullOrEmpty(action) || action.Length > 255
                ? throw new ArgumentException("Give an action's name of 1 to 255 characters: \"transfer:42\", say.", nameof(action))
                : Grant + action;

        /// <summary>Throws where there is no grant, or it is good no more at `now`.</summary>
        public static void CheckGrant(string action, SessionData data, long? now)
        {
            var isGood = data.TryGet(GrantKey(action), out var value)
                && value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var until) && now < until;
            if (!isGood)
            {
                throw Error(Problem.ProofWanted(action));
            }
        }

        private static SojournException Error(Problem problem) => new SojournException(problem.Code, problem.Detail, problem);
    }
}
