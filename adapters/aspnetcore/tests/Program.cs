using System;
using System.Threading.Tasks;

namespace Sojourn.AspNetCore.Tests
{
    /// <summary>The halves of the tests: `vectors FOLDER` checks them and ends, the others run a site that pytest visits.</summary>
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
                case { Length: 2 } when words[0] == "caches":
                    await CacheSite.RunAsync(words[1]);
                    return 0;
                case { Length: 3 } when words[0] == "endpoints":
                    await EndpointSite.RunAsync(words[1], words[2]);
                    return 0;
                default:
                    Console.Error.WriteLine("vectors FOLDER | serve URL | caches URL | endpoints URL ORDER");
                    return 2;
            }
        }
    }
}
