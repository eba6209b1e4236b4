using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Sojourn.AspNetCore
{
    /// <summary>Has one request's commits go one after another.</summary>
    internal sealed class Turn
    {
        private readonly SemaphoreSlim _free = new SemaphoreSlim(1, 1);

        // Those whose caller no longer waits.
        private readonly List<Task> _unheard = new List<Task>();

        /// <summary>
        /// Does `work` when its turn comes. Cancelled, it is not begun; what has begun goes on without its caller, until
        /// <see cref="CatchUpAsync"/>.
        /// </summary>
        public async Task TakeAsync(Func<Task> work, CancellationToken cancelled)
        {
            cancelled.ThrowIfCancellationRequested();
            var taken = WaitAndDoAsync(work, cancelled);
            if (cancelled.CanBeCanceled && !taken.IsCompleted)
            {
                var stop = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
                using var registration = cancelled.Register(() => stop.TrySetResult(true));
                if (await Task.WhenAny(taken, stop.Task) != taken)
                {
                    _unheard.Add(taken);
                    throw new OperationCanceledException(cancelled);
                }
            }
            await taken;
        }

        /// <summary>Waits for what has begun and whose caller did not; throws what became of it.</summary>
        public async Task CatchUpAsync()
        {
            while (_unheard.Count > 0)
            {
                var work = _unheard[0];
                _unheard.RemoveAt(0);
                try
                {
                    await work;
                }
                catch (OperationCanceledException)
                {
                    // It had not begun.
                }
            }
        }

        private async Task WaitAndDoAsync(Func<Task> work, CancellationToken cancelled)
        {
            await _free.WaitAsync(cancelled);
            try
            {
                await work();
            }
            finally
            {
                _free.Release();
            }
        }
    }
}
