using System.Text.Json;

namespace Sojourn.AspNetCore
{
    /// <summary>
    /// The key of a visitor whose session may be bound to it: what the request shows of it, and what the service said.
    /// </summary>
    internal abstract class VisitorKey
    {
        /// <summary>What the next proof must hold, for the answer.</summary>
        public string? Nonce { get; protected set; }

        /// <summary>Whether the next call hands a proof on, which is good once.</summary>
        public abstract bool HandsProofOn { get; }

        /// <summary>What an open or a commit says of it.</summary>
        public abstract void Write(Utf8JsonWriter json);

        /// <summary>Takes in what an open or a commit was answered.</summary>
        public abstract void Hear(JsonElement answer);

        /// <summary>A problem of this key, as it is to be told.</summary>
        public abstract Problem Refused(Problem problem);
    }
}
