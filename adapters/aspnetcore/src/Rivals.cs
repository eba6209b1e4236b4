using System.Collections.Generic;
using System.Linq;
using System.Text.Json;
using System.Threading.Tasks;

namespace Sojourn.AspNetCore
{
    /// <summary>
    /// The tokens of a request, opened: one, mostly. Several are there where the cookie's domain or path was changed, or a
    /// sibling host plants one. Those that open nothing are passed over, and the only live one counts. Of two live ones none
    /// does: which of them is the visitor's, nobody can know.
    /// </summary>
    internal sealed class Rivals
    {
        // More are nobody's cookies, and are not asked for: they would make a request a hundred.
        private const int Most = 8;

        private Rivals(List<string> live, (string, JsonElement)? counts, bool isContested)
        {
            Live = live;
            Counts = counts;
            IsContested = isContested;
        }

        /// <summary>Where none counts, those that are live.</summary>
        public List<string> Live { get; }

        /// <summary>The one that counts, live or over, and what the service said of it; null where none does.</summary>
        public (string, JsonElement)? Counts { get; }

        /// <summary>Whether there are several that might count.</summary>
        public bool IsContested { get; }

        public static async Task<Rivals> OpenAsync(SessionService service, Shown shown)
        {
            var tokens = shown.Tokens;
            var live = new List<(string Token, JsonElement Opened)>();
            (string, JsonElement)? over = null;
            if (tokens.Count > Most)
            {
                return new Rivals(new List<string>(), null, isContested: true);
            }
            // Of one session's, the newest first, as browsers send it last: an older secret may be taken for a thief's.
            foreach (var session in tokens.Reverse().GroupBy(SessionCookie.IdOf))
            {
                foreach (var token in session)
                {
                    JsonElement opened;
                    try
                    {
                        opened = await service.OpenAsync(token, shown.Key);
                    }
                    catch (SojournException error) when (tokens.Count > 1 && Challenge.IsFor(error.Code))
                    {
                        // One that is bound to a key is nobody's without it, and hinders the others not.
                        continue;
                    }
                    if (opened.GetProperty("session").ValueKind == JsonValueKind.Object)
                    {
                        live.Add((token, opened));
                        break;
                    }
                    if (over == null || opened.GetProperty("end_reason").ValueKind == JsonValueKind.String)
                    {
                        // What is over says why, if the service still knows.
                        over = (token, opened);
                    }
                }
            }
            if (live.Count > 1)
            {
                return new Rivals(live.ConvertAll(each => each.Token), null, isContested: true);
            }
            return new Rivals(new List<string>(), live.Count == 1 ? live[0] : over, isContested: false);
        }
    }
}
