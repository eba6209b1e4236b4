<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * The answer on its way to the browser: kept back until the session is committed, so that a cookie can still go with
 * it, and a problem in its place.
 *
 * @internal
 */
final class Page
{
    /** A larger one goes out in parts, the first of them after the commit. */
    private const HELD = 1 << 20;

    private int $level = 0;
    /** The problem that goes out in place of the page, until it has; null while the page is the application's. */
    private ?string $replacement = null;
    private ?\Throwable $failure = null;
    private bool $finished = false;

    /**
     * @param \Closure(): void $commit writes the session; called again it writes what was changed since
     * @param \Closure(): void $guard tells the browser what was committed, whatever else the answer says
     */
    private function __construct(private readonly \Closure $commit, private readonly \Closure $guard)
    {
    }

    public static function hold(\Closure $commit, \Closure $guard): void
    {
        $page = new self($commit, $guard);
        ob_start($page->leave(...), self::HELD);
        $page->level = ob_get_level();
        // Apache's module and PHP's own server send the headers at a flush(), with the page still in the buffer.
        header_register_callback($page->begin(...));
        register_shutdown_function($page->finish(...));
        $other = set_exception_handler(null);
        set_exception_handler(static fn (\Throwable $error) => $page->uncaught($error, $other));
    }

    /** PHP's output buffer: `$text` is about to leave. */
    private function leave(string $text, int $phase): string
    {
        $erased = ($phase & PHP_OUTPUT_HANDLER_CLEAN) !== 0;
        if ($erased && ($phase & PHP_OUTPUT_HANDLER_FINAL) === 0) {
            return '';
        }
        try {
            $this->replacement ?? ($this->commit)();
        } catch (\Throwable $error) {
            if ($erased) {
                // Whoever takes the buffer away can be told.
                throw $error;
            }
            $this->replacement = $this->tell($error);
        }
        $body = $this->replacement ?? $text;
        $this->replacement = $this->replacement === null ? null : '';
        return $body;
    }

    /** PHP is about to send the headers. */
    private function begin(): void
    {
        try {
            $this->replacement ?? ($this->commit)();
        } catch (\Throwable $error) {
            $this->replacement = $this->tell($error);
        }
    }

    private function finish(): void
    {
        // After those of the application, which may still change the session.
        register_shutdown_function($this->finishLast(...));
    }

    /** The session stays open: PHP itself writes what the application's destructors change, and closes it. */
    private function finishLast(): void
    {
        $this->finished = true;
        if ($this->failure !== null) {
            throw $this->failure;
        }
        try {
            $this->replacement ?? ($this->commit)();
        } catch (\Throwable $error) {
            $this->fail($error);
        }
    }

    private function uncaught(\Throwable $error, ?callable $other): void
    {
        if ($error instanceof SojournException && ($other === null || Problem::of($error) !== null)) {
            $this->fail($error);
        } elseif ($other !== null) {
            $other($error);
        } else {
            throw $error;
        }
    }

    /** Answer with what went wrong in place of the page, if it has not left. A developer's mistake is thrown on. */
    private function fail(\Throwable $error): void
    {
        $held = ob_get_level() >= $this->level && !headers_sent();
        while (ob_get_level() > $this->level && ob_end_clean());
        if ($held) {
            ob_clean();
            $this->replacement = $this->tell($error);
            $this->failure = null;
        }
        if (!$held || Problem::of($error) === null) {
            throw $error;
        }
    }

    /** The body of what is answered in place of the page. */
    private function tell(\Throwable $error): string
    {
        if ($error instanceof ServiceUnavailable) {
            error_log("Sojourn: {$error->getMessage()}");
        }
        $problem = Problem::of($error);
        if ($problem !== null) {
            $problem->sendHeaders();
            // The token that the browser has may be over by what was committed before.
            ($this->guard)();
            return $problem->body();
        }
        $this->failure = $error;
        if ($this->finished) {
            error_log("Sojourn: Uncaught $error");
        }
        if (!headers_sent()) {
            http_response_code(500);
        }
        return '';
    }
}
