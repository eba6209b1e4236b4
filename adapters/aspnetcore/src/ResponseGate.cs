using System;
using System.IO;
using System.IO.Pipelines;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Http.Features;

namespace Sojourn.AspNetCore
{
    /// <summary>
    /// Holds an answer's first byte back until what comes `before` it is done, which says whether the answer may go. One
    /// that may not was replaced by then, and goes nowhere.
    /// </summary>
    internal sealed class ResponseGate : Stream, IHttpResponseBodyFeature
    {
        private readonly IHttpResponseBodyFeature _inner;
        private readonly Func<Task<bool>> _before;
        private readonly Func<bool> _allowsSynchronous;
        private Task<bool>? _isOpen;
        private PipeWriter? _writer;

        public ResponseGate(IHttpResponseBodyFeature inner, Func<Task<bool>> before, Func<bool> allowsSynchronous)
        {
            _inner = inner;
            _before = before;
            _allowsSynchronous = allowsSynchronous;
        }

        Stream IHttpResponseBodyFeature.Stream => this;

        PipeWriter IHttpResponseBodyFeature.Writer => _writer ??= PipeWriter.Create(this, new StreamPipeWriterOptions(leaveOpen: true));

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        /// <summary>Sends what is still held, at the end of the request.</summary>
        public async Task FinishAsync()
        {
            if (_writer != null)
            {
                await _writer.CompleteAsync();
            }
            await OpenAsync();
        }

        void IHttpResponseBodyFeature.DisableBuffering() => _inner.DisableBuffering();

        async Task IHttpResponseBodyFeature.StartAsync(CancellationToken cancellationToken)
        {
            if (await OpenAsync())
            {
                await _inner.StartAsync(cancellationToken);
            }
        }

        async Task IHttpResponseBodyFeature.SendFileAsync(string path, long offset, long? count, CancellationToken cancellationToken)
        {
            if (_writer != null)
            {
                await _writer.FlushAsync(cancellationToken);
            }
            if (await OpenAsync())
            {
                await _inner.SendFileAsync(path, offset, count, cancellationToken);
            }
        }

        async Task IHttpResponseBodyFeature.CompleteAsync()
        {
            await FinishAsync();
            await _inner.CompleteAsync();
        }

        public override async Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        {
            if (await OpenAsync())
            {
                await _inner.Stream.WriteAsync(buffer, offset, count, cancellationToken);
            }
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (await OpenAsync())
            {
                await _inner.Stream.WriteAsync(buffer, cancellationToken);
            }
        }

        public override async Task FlushAsync(CancellationToken cancellationToken)
        {
            if (await OpenAsync())
            {
                await _inner.Stream.FlushAsync(cancellationToken);
            }
        }

        public override void Write(byte[] buffer, int offset, int count)
        {
            // Where it is forbidden, the stream within says so.
            if (!_allowsSynchronous() || OpenAsync().GetAwaiter().GetResult())
            {
                _inner.Stream.Write(buffer, offset, count);
            }
        }

        public override void Flush()
        {
            if (!_allowsSynchronous() || OpenAsync().GetAwaiter().GetResult())
            {
                _inner.Stream.Flush();
            }
        }

        public override IAsyncResult BeginWrite(byte[] buffer, int offset, int count, AsyncCallback? callback, object? state)
        {
            var done = new TaskCompletionSource<bool>(state);
            WriteAsync(buffer, offset, count, CancellationToken.None).ContinueWith(
                write =>
                {
                    if (write.Exception != null)
                    {
                        done.SetException(write.Exception.InnerExceptions);
                    }
                    else
                    {
                        done.SetResult(true);
                    }
                    callback?.Invoke(done.Task);
                },
                TaskScheduler.Default);
            return done.Task;
        }

        public override void EndWrite(IAsyncResult asyncResult) => ((Task)asyncResult).GetAwaiter().GetResult();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        private Task<bool> OpenAsync() => _isOpen ??= _before();
    }
}
