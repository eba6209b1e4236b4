using System.Collections.Generic;
using System.Linq;
using System.Text.Json;

namespace Sojourn.AspNetCore
{
    /// <summary>A session's data: as it was loaded, and as it is to be.</summary>
    internal sealed class SessionData
    {
        private readonly Dictionary<string, JsonElement> _loaded = new Dictionary<string, JsonElement>();
        private readonly Dictionary<string, JsonElement> _values = new Dictionary<string, JsonElement>();
        private readonly HashSet<string> _changed = new HashSet<string>();
        private readonly Dictionary<string, long> _increments = new Dictionary<string, long>();

        public IEnumerable<string> Keys => _values.Keys;

        public bool IsChanged => _changed.Count > 0 || _increments.Count > 0;

        /// <summary>From here on, `data` is what was loaded; null for nothing.</summary>
        public void Load(JsonElement? data)
        {
            _loaded.Clear();
            _values.Clear();
            _changed.Clear();
            _increments.Clear();
            if (data is JsonElement members)
            {
                foreach (var member in members.EnumerateObject())
                {
                    _loaded[member.Name] = _values[member.Name] = member.Value;
                }
            }
        }

        public bool TryGet(string key, out JsonElement value) => _values.TryGetValue(key, out value);

        public void Set(string key, JsonElement value)
        {
            JsonValue.CheckKey(key);
            _values[key] = value;
            Note(key, !_loaded.TryGetValue(key, out var loaded) || !JsonValue.Same(loaded, value));
        }

        public void Remove(string key)
        {
            _values.Remove(key);
            Note(key, _loaded.ContainsKey(key));
        }

        public void Clear()
        {
            foreach (var key in _values.Keys.ToList())
            {
                Remove(key);
            }
        }

        /// <summary>Adds to the integer at a key, a missing one counting as 0; the sum, as this request sees it.</summary>
        public long Increment(string key, long by)
        {
            JsonValue.CheckKey(key);
            var start = 0L;
            if (_values.TryGetValue(key, out var before)
                && (before.ValueKind != JsonValueKind.Number || !before.TryGetInt64(out start)))
            {
                throw new SojournException("invalid-data", $"Increment(\"{key}\") found what is no integer.");
            }
            var sum = JsonValue.Of(checked(start + by), key, Plain);
            _values[key] = sum;
            if (!_changed.Contains(key))
            {
                _increments.TryGetValue(key, out var soFar);
                _increments[key] = soFar + by;
            }
            return start + by;
        }

        /// <summary>Writes `changes` and `increments` of a commit. With `all`, also the keys that did not change.</summary>
        public void WriteChanges(Utf8JsonWriter json, bool all)
        {
            json.WriteStartObject("changes");
            foreach (var key in all ? _loaded.Keys.Union(_changed) : _changed)
            {
                json.WriteStartObject(key);
                Write(json, "base", _loaded, key);
                // What is added to it goes by itself.
                Write(json, "value", _increments.ContainsKey(key) ? _loaded : _values, key);
                json.WriteEndObject();
            }
            json.WriteEndObject();
            json.WriteStartObject("increments");
            foreach (var (key, by) in _increments)
            {
                json.WriteNumber(key, by);
            }
            json.WriteEndObject();
        }

        private static JsonSerializerOptions Plain { get; } = new JsonSerializerOptions();

        private static void Write(Utf8JsonWriter json, string name, Dictionary<string, JsonElement> values, string key)
        {
            if (values.TryGetValue(key, out var value))
            {
                json.WritePropertyName(name);
                value.WriteTo(json);
            }
        }

        private void Note(string key, bool isChanged)
        {
            _increments.Remove(key);
            if (isChanged)
            {
                _changed.Add(key);
            }
            else
            {
                _changed.Remove(key);
            }
        }
    }
}
