using System;
using System.Text.Encodings.Web;

namespace Sojourn.AspNetCore
{
    /// <summary>
    /// JSON's usual escapes, but half of a surrogate pair is an <see cref="ArgumentException"/>: the usual encoder writes
    /// another letter in its place.
    /// </summary>
    internal sealed class StrictEncoder : JavaScriptEncoder
    {
        public override int MaxOutputCharactersPerInputCharacter => Default.MaxOutputCharactersPerInputCharacter;

        public static bool IsUnicode(ReadOnlySpan<char> text)
        {
            for (var index = 0; index < text.Length; index++)
            {
                if (char.IsSurrogate(text[index])
                    && (index + 1 == text.Length || !char.IsSurrogatePair(text[index], text[++index])))
                {
                    return false;
                }
            }
            return true;
        }

        public override unsafe int FindFirstCharacterToEncode(char* text, int textLength) =>
            IsUnicode(new ReadOnlySpan<char>(text, textLength))
                ? Default.FindFirstCharacterToEncode(text, textLength)
                : throw new ArgumentException("Half of a surrogate pair is no text.");

        public override unsafe bool TryEncodeUnicodeScalar(
            int unicodeScalar, char* buffer, int bufferLength, out int numberOfCharactersWritten) =>
            Default.TryEncodeUnicodeScalar(unicodeScalar, buffer, bufferLength, out numberOfCharactersWritten);

        public override bool WillEncode(int unicodeScalar) => Default.WillEncode(unicodeScalar);
    }
}
