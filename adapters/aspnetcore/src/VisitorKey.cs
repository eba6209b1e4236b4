using System.Text.Json;

namespace Sojourn.AspNetCore
{
    /// <summary>
    /// The key of a visitor whose session may be bound to it: what the request shows of it, and what the service said.
    /// </summary>
    internal sealed class VisitorKey
    {
        private readonly string _method;
        private readonly string _url;
        private readonly string? _proof;
        private readonly bool _isDpop;
        private string? _proved;

        /// <summary>`proof` is the header DPoP, `isDpop` whether Authorization says so, too.</summary>
        public VisitorKey(string method, string url, string? proof, bool isDpop)
        {
            _method = method;
            _url = url;
            _proof = proof;
            _isDpop = isDpop;
        }

        /// <summary>What the next proof must hold, for the answer.</summary>
        public string? Nonce { get; private set; }

        /// <summary>Whether the next call hands the proof on, which is good once.</summary>
        public bool HandsProofOn => _proof != null && _proved == null;

        /// <summary>What an open or a commit says of it: the proof, and once that is used up, that it was taken.</summary>
        public void Write(Utf8JsonWriter json)
        {
            if (_proved != null)
            {
                json.WriteString("proved", _proved);
                return;
            }
            json.WriteStartObject("presented");
            json.WriteString("method", _method);
            json.WriteString("url", _url);
            json.WriteString("proof", _proof);
            json.WriteBoolean("dpop", _isDpop);
            json.WriteEndObject();
        }

        /// <summary>Takes in what an open or a commit was answered.</summary>
        public void Hear(JsonElement answer)
        {
            if (answer.GetProperty("proved").GetString() is string proved)
            {
                _proved = proved;
                Nonce = answer.GetProperty("nonce").GetString() ?? Nonce;
            }
        }
    }
}
