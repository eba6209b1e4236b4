using System.Text.Json;

namespace Sojourn.AspNetCore
{
    /// <summary>A script's own (DPoP): a proof with each request.</summary>
    internal sealed class ScriptKey : VisitorKey
    {
        private readonly string _method;
        private readonly string _url;
        private readonly string? _proof;
        private readonly bool _isDpop;
        private string? _proved;

        /// <summary>`proof` is the header DPoP, `isDpop` whether Authorization says so, too.</summary>
        public ScriptKey(string method, string url, string? proof, bool isDpop)
        {
            _method = method;
            _url = url;
            _proof = proof;
            _isDpop = isDpop;
        }

        public override bool HandsProofOn => _proof != null && _proved == null;

        /// <summary>The proof, and once that is used up, that it was taken.</summary>
        public override void Write(Utf8JsonWriter json)
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

        public override void Hear(JsonElement answer)
        {
            if (answer.GetProperty("proved").GetString() is string proved)
            {
                _proved = proved;
                Nonce = answer.GetProperty("nonce").GetString() ?? Nonce;
            }
        }

        public override Problem Refused(Problem problem) => problem;
    }
}
