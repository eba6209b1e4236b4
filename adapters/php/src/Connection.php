<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * A keep-alive connection to the service: one request at a time, within a deadline. Just enough of HTTP/1.1 for a known
 * server and JSON answers.
 *
 * PHP closes curl's connections at the end of each request; a persistent stream stays open for the worker's next one.
 *
 * @internal
 */
final class Connection
{
    /** @var ?resource */
    private $stream = null;
    private int $process = 0;
    private int $deadline = 0;
    private string $warning = '';

    /** @param string $address `tcp://host:port`, `tls://host:port` or `unix:///path` */
    public function __construct(private readonly string $address, private readonly float $timeout)
    {
    }

    /**
     * The status and body of the answer to `$request`, the whole of it as HTTP spells it.
     *
     * `$repeatable`: send it once more where the server had closed the connection that was kept.
     *
     * @return array{int, string}
     * @throws ServiceUnavailable
     */
    public function ask(#[\SensitiveParameter] string $request, bool $repeatable): array
    {
        $this->deadline = hrtime(true) + (int) ($this->timeout * 1e9);
        // An application's error handler must not meet the request among the arguments: it holds the key and a token.
        set_error_handler(function (int $level, string $message): bool {
            $this->warning = $message;
            return true;
        });
        try {
            $reused = $this->connect();
            try {
                return $this->exchange($request);
            } catch (HungUp $error) {
                if (!$reused || !$repeatable || !$error->silently) {
                    throw $error;
                }
                $this->connect();
                return $this->exchange($request);
            }
        } catch (HungUp) {
            throw new ServiceUnavailable("The session service at $this->address hung up before it answered.");
        } finally {
            restore_error_handler();
        }
    }

    /** Have a stream that nothing is under way on; whether it was used before. */
    private function connect(): bool
    {
        if ($this->stream !== null && $this->process !== getmypid()) {
            // A fork has its parent's: two that read from one connection would take each other's answers.
            $this->stream = null;
        }
        if ($this->stream !== null && $this->isClean()) {
            return true;
        }
        do {
            $this->stream = $this->openStream();
            $used = ftell($this->stream) > 0;
        } while ($used && !$this->isClean());
        $this->process = (int) getmypid();
        return $used;
    }

    /** @return resource */
    private function openStream()
    {
        // A command-line program may fork. Of the name's last part, PHP makes a connection of our own.
        $persistent = PHP_SAPI !== 'cli';
        $name = $persistent && !str_starts_with($this->address, 'unix:') ? "$this->address/sojourn" : $this->address;
        $flags = STREAM_CLIENT_CONNECT | ($persistent ? STREAM_CLIENT_PERSISTENT : 0);
        $context = stream_context_create(['socket' => ['tcp_nodelay' => true]]);
        $stream = stream_socket_client($name, $code, $message, max(0.001, $this->left()), $flags, $context);
        if ($stream === false) {
            $why = $message !== '' ? $message : $this->warning;
            throw new ServiceUnavailable("The session service at $this->address could not be reached: $why.");
        }
        return $stream;
    }

    /**
     * Whether the last exchange came to its end, and nothing was received since. Otherwise the stream is closed: the
     * answer to a request that was broken off must never be taken for the next one's.
     */
    private function isClean(): bool
    {
        // The stream is non-blocking for as long as an exchange lasts: PHP keeps that mark from request to request.
        $clean = stream_get_meta_data($this->stream)['blocked'] && stream_set_blocking($this->stream, false);
        $clean = $clean && fread($this->stream, 1) === '' && !feof($this->stream);
        if (!$clean) {
            $this->close();
        }
        return $clean;
    }

    private function close(): void
    {
        fclose($this->stream);
        $this->stream = null;
    }

    /** @return array{int, string} */
    private function exchange(#[\SensitiveParameter] string $request): array
    {
        stream_set_blocking($this->stream, false);
        $done = false;
        try {
            $this->write($request);
            [$status, $body, $keep] = $this->readAnswer();
            $done = $keep && stream_set_blocking($this->stream, true);
        } finally {
            if (!$done) {
                $this->close();
            }
        }
        return [$status, $body];
    }

    private function write(#[\SensitiveParameter] string $request): void
    {
        while ($request !== '') {
            $written = fwrite($this->stream, $request);
            if ($written === false || ($written === 0 && feof($this->stream))) {
                throw new HungUp(true);
            }
            $request = substr($request, $written);
            if ($request !== '') {
                $this->wait(false);
            }
        }
    }

    /** @return array{int, string, bool} status, body, and whether the connection stays open */
    private function readAnswer(): array
    {
        $received = '';
        while (($end = strpos($received, "\r\n\r\n")) === false) {
            $received .= $this->read($received === '');
        }
        $head = substr($received, 0, $end + 2);
        $received = substr($received, $end + 4);
        if (preg_match('~^HTTP/1\.1 (\d{3})~', $head, $match) !== 1) {
            throw new ServiceUnavailable("What answers at $this->address does not speak HTTP/1.1.");
        }
        $status = (int) $match[1];
        $keep = preg_match('/^connection:[ \t]*close/mi', $head) !== 1;
        if (preg_match('/^transfer-encoding:[ \t]*chunked/mi', $head) === 1) {
            $body = $this->readChunks($received);
        } elseif (preg_match('/^content-length:[ \t]*(\d+)/mi', $head, $match) === 1) {
            $body = $this->readExactly((int) $match[1], $received);
        } else {
            throw new ServiceUnavailable("The answer of the session service at $this->address has no length.");
        }
        // Anything that follows is not the answer to a request of ours.
        return [$status, $body, $keep && $received === ''];
    }

    /** Take so many bytes off `$received`, and off the connection what it lacks. */
    private function readExactly(int $length, string &$received): string
    {
        while (strlen($received) < $length) {
            $received .= $this->read(false);
        }
        $taken = substr($received, 0, $length);
        $received = substr($received, $length);
        return $taken;
    }

    private function readChunks(string &$received): string
    {
        $body = '';
        do {
            while (($end = strpos($received, "\r\n")) === false) {
                $received .= $this->read(false);
            }
            $length = (int) hexdec(substr($received, 0, strcspn($received, ";\r")));
            $this->readExactly($end + 2, $received);
            $body .= substr($this->readExactly($length + 2, $received), 0, $length);
        } while ($length > 0);
        return $body;
    }

    /** The next bytes. */
    private function read(bool $first): string
    {
        while (true) {
            $bytes = fread($this->stream, 65536);
            if ($bytes !== '' && $bytes !== false) {
                return $bytes;
            }
            if ($bytes === false || feof($this->stream)) {
                throw new HungUp($first);
            }
            $this->wait(true);
        }
    }

    private function wait(bool $toRead): void
    {
        $left = $this->left();
        if ($left <= 0) {
            $within = "within $this->timeout s";
            throw new ServiceUnavailable("The session service at $this->address did not answer $within.");
        }
        $read = $toRead ? [$this->stream] : null;
        $write = $toRead ? null : [$this->stream];
        $except = null;
        stream_select($read, $write, $except, (int) $left, (int) (fmod($left, 1) * 1e6));
    }

    /** The seconds that are left. */
    private function left(): float
    {
        return ($this->deadline - hrtime(true)) / 1e9;
    }
}
