using System.Collections.Generic;
using System.Linq;
using System.Text.Json;

namespace Sojourn.AspNetCore
{
    /// <summary>
    /// A session's data: as it was loaded, and as it is to be. It may be changed while a commit is under way, which then
    /// settles on another thread.
    /// </summary>
    internal sealed class SessionData
    {
        private readonly object _lock = new object();
        private Dictionary<string, JsonElement> _loaded = new Dictionary<string, JsonElement>();
        private Dictionary<string, JsonElement> _values = new Dictionary<string, JsonElement>();
        private HashSet<string> _changed = new HashSet<string>();
        private Dictionary<string, long> _increments = new Dictionary<string, long>();

        public IEnumerable<string> Keys
        {
            get
            {
                lock (_lock)
                {
                    return _values.Keys.ToList();
                }
            }
        }

        public bool IsChanged
        {
            get
            {
                lock (_lock)
                {
                    return _changed.Count > 0 || _increments.Count > 0;
                }
            }
        }

        /// <summary>From here on, `data` is what was loaded; null for nothing.</summary>
        public void Load(JsonElement? data)
        {
            lock (_lock)
            {
                Replace(data);
            }
        }

        public bool TryGet(string key, out JsonElement value)
        {
            lock (_lock)
            {
                return _values.TryGetValue(key, out value);
            }
        }

        public void Set(string key, JsonElement value)
        {
            JsonValue.CheckKey(key);
            lock (_lock)
            {
                _values[key] = value;
                Note(key);
            }
        }

        public void Remove(string key)
        {
            lock (_lock)
            {
                _values.Remove(key);
                Note(key);
            }
        }

        /// <summary>Removes all but these; null for nothing.</summary>
        public void Keep(IReadOnlyCollection<string>? keys)
        {
            lock (_lock)
            {
                foreach (var key in keys == null ? new List<string>() : _values.Keys.Except(keys).ToList())
                {
                    _values.Remove(key);
                    Note(key);
                }
            }
        }

        public void Clear() => Keep(new string[0]);

        /// <summary>Adds to the integer at a key, a missing one counting as 0; the sum, as this request sees it.</summary>
        public long Increment(string key, long by)
        {
            JsonValue.CheckKey(key);
            lock (_lock)
            {
                if (!TryCount(key, out var start))
                {
                    throw new SojournException("invalid-data", $"Increment(\"{key}\") found what is no integer.");
                }
                Add(key, start, by);
                return start + by;
            }
        }

        /// <summary>
        /// What was changed so far, for a commit: from here on it counts as loaded, until <see cref="Settle"/> or
        /// <see cref="Restore"/> says what became of it.
        /// </summary>
        public Sent Take()
        {
            lock (_lock)
            {
                var sent = new Sent(_loaded, new Dictionary<string, JsonElement>(_values), _changed, _increments);
                _loaded = sent.Values;
                _changed = new HashSet<string>();
                _increments = new Dictionary<string, long>();
                return sent;
            }
        }

        /// <summary>`data` is what is there after a commit. What was changed while it was under way goes on top.</summary>
        public void Settle(JsonElement? data)
        {
            lock (_lock)
            {
                var (values, changed, increments) = (_values, _changed, _increments);
                Replace(data);
                foreach (var key in changed)
                {
                    if (values.TryGetValue(key, out var value))
                    {
                        _values[key] = value;
                    }
                    else
                    {
                        _values.Remove(key);
                    }
                    Note(key);
                }
                foreach (var (key, by) in increments)
                {
                    // Another request may have put there what is no number: it was later.
                    if (TryCount(key, out var start))
                    {
                        Add(key, start, by);
                    }
                }
            }
        }

        /// <summary>What was taken is still to be written.</summary>
        public void Restore(Sent sent)
        {
            lock (_lock)
            {
                var increments = _increments;
                _loaded = sent.Loaded;
                _increments = new Dictionary<string, long>(sent.Increments);
                foreach (var key in sent.Changed.Union(_changed).ToList())
                {
                    Note(key);
                }
                foreach (var (key, by) in increments.Where(each => !_changed.Contains(each.Key)))
                {
                    _increments.TryGetValue(key, out var before);
                    _increments[key] = before + by;
                }
            }
        }

        private static JsonSerializerOptions Plain { get; } = new JsonSerializerOptions();

        private void Replace(JsonElement? data)
        {
            _loaded = new Dictionary<string, JsonElement>();
            _values = new Dictionary<string, JsonElement>();
            _changed = new HashSet<string>();
            _increments = new Dictionary<string, long>();
            if (data is JsonElement members)
            {
                foreach (var member in members.EnumerateObject())
                {
                    _loaded[member.Name] = _values[member.Name] = member.Value;
                }
            }
        }

        private bool TryCount(string key, out long start)
        {
            start = 0;
            return !_values.TryGetValue(key, out var before)
                || (before.ValueKind == JsonValueKind.Number && before.TryGetInt64(out start));
        }

        private void Add(string key, long start, long by)
        {
            _values[key] = JsonValue.Of(checked(start + by), key, Plain);
            if (!_changed.Contains(key))
            {
                _increments.TryGetValue(key, out var soFar);
                _increments[key] = soFar + by;
            }
        }

        private void Note(string key)
        {
            _increments.Remove(key);
            var isThere = _values.TryGetValue(key, out var value);
            if (isThere == _loaded.TryGetValue(key, out var loaded) && (!isThere || JsonValue.Same(loaded, value)))
            {
                _changed.Remove(key);
            }
            else
            {
                _changed.Add(key);
            }
        }

        /// <summary>The changes of one commit.</summary>
        internal sealed class Sent
        {
            public Sent(
                Dictionary<string, JsonElement> loaded, Dictionary<string, JsonElement> values, HashSet<string> changed,
                Dictionary<string, long> increments)
            {
                Loaded = loaded;
                Values = values;
                Changed = changed;
                Increments = increments;
            }

            public Dictionary<string, JsonElement> Loaded { get; }

            public Dictionary<string, JsonElement> Values { get; }

            public HashSet<string> Changed { get; }

            public Dictionary<string, long> Increments { get; }

            public bool IsEmpty => Changed.Count == 0 && Increments.Count == 0;

            /// <summary>Writes `changes` and `increments` of a commit. With `all`, also the keys that did not change.</summary>
            public void Write(Utf8JsonWriter json, bool all)
            {
                json.WriteStartObject("changes");
                foreach (var key in all ? Loaded.Keys.Union(Changed) : Changed)
                {
                    json.WriteStartObject(key);
                    Write(json, "base", Loaded, key);
                    // What is added to it goes by itself.
                    Write(json, "value", Increments.ContainsKey(key) ? Loaded : Values, key);
                    json.WriteEndObject();
                }
                json.WriteEndObject();
                json.WriteStartObject("increments");
                foreach (var (key, by) in Increments)
                {
                    json.WriteNumber(key, by);
                }
                json.WriteEndObject();
            }

            private static void Write(Utf8JsonWriter json, string name, Dictionary<string, JsonElement> values, string key)
            {
                if (values.TryGetValue(key, out var value))
                {
                    json.WritePropertyName(name);
                    value.WriteTo(json);
                }
            }
        }
    }
}
