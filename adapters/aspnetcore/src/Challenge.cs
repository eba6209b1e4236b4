using System;
using Microsoft.AspNetCore.Http;

namespace Sojourn.AspNetCore
{
    /// <summary>What a client is told that did not prove the key to which its session is bound.</summary>
    internal static class Challenge
    {
        /// <summary>Whether it is the key that is not proved.</summary>
        public static bool IsFor(string? code) => code != null && code.StartsWith("proof-", StringComparison.Ordinal);

        /// <summary>What RFC 9449 (sections 7.1, 8 and 9) has it read, and ours that its token is worth nothing to it.</summary>
        public static void Write(Problem problem, IHeaderDictionary headers)
        {
            if (problem.Told != null)
            {
                foreach (var told in problem.Told)
                {
                    headers[told.Key] = told.Value;
                }
                return;
            }
            var error = problem.Nonce == null ? "invalid_dpop_proof" : "use_dpop_nonce";
            headers["WWW-Authenticate"] = $"DPoP error=\"{error}\", algs=\"ES256\"";
            if (problem.Nonce != null)
            {
                headers["DPoP-Nonce"] = problem.Nonce;
            }
            if (problem.Code == "proof-required" || problem.Code == "proof-other-key")
            {
                // Its key is lost, or it knows of none: it could not even log in as long as it sends the token.
                headers["Sojourn-Token"] = "none";
            }
        }
    }
}
