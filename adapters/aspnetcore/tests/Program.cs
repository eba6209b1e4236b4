using System;
using System.Threading.Tasks;

namespace Sojourn.AspNetCore.Tests
{
    /// <summary>Both halves of the tests: `vectors FOLDER` checks them and ends, `serve URL` runs the site that pytest visits.</summary>
    internal static class Program
    {
        private static async Task<int> Main(string[] words)
        {
            switch (words)
            {
                case { Length: 2 } when words[0] == "vectors":
                    return await Vectors.RunAsync(words[1]) ? 0 : 1;
                case { Length: 2 } when words[0] == "serve":
                    await Site.RunAsync(words[1]);
                    return 0;
                default:
                    Console.Error.WriteLine("vectors FOLDER | serve URL");
                    return 2;
            }
        }
    }
}
