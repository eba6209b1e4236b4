<?php

declare(strict_types=1);

namespace Sojourn;

/** An exception as an HTTP answer, application/problem+json (RFC 9457). */
final class Problem
{
    private const RETRY_AFTER = 2;

    private const OF_THE_PAGE = [
        'Content-Disposition',
        'Content-Encoding',
        'Content-Language',
        'Content-Length',
        'Content-Location',
        'Content-Range',
        'ETag',
        'Expires',
        'Last-Modified',
        'Location',
        'Pragma',
        'Set-Cookie',
        'Sojourn-Token',
    ];

    private const KNOWN = [
        SessionEnded::class => [401, 'session-ended', 'The session has ended'],
        LoginRequired::class => [401, 'login-required', 'Log in first'],
        ReauthenticationRequired::class => [401, 'reauthentication-required', 'Log in again'],
        SessionConflict::class => [409, 'session-conflict', 'Changed by another request'],
        SessionLimitReached::class => [409, 'session-limit', 'Too many sessions'],
        SessionRefused::class => [429, 'session-refused', 'Not now'],
        DataTooLarge::class => [413, 'data-too-large', 'Too much data for a session'],
        ServiceUnavailable::class => [503, 'store-unavailable', 'Sessions are not available right now'],
        BearerNotEnabled::class => [400, 'bearer-not-enabled', 'Cookies only'],
        AmbiguousToken::class => [400, 'ambiguous-token', 'Two tokens'],
        CrossOrigin::class => [403, 'cross-origin', 'From another site'],
    ];

    /**
     * @param array<string, mixed> $members what the exception holds: end_reason, keys, size, limit, max_age, …
     * @param array<string, string|list<string>> $challenge headers, where the visitor's key was not proved
     */
    private function __construct(
        public readonly int $status,
        public readonly string $code,
        public readonly string $title,
        public readonly string $detail,
        public readonly array $members,
        private readonly array $challenge,
    ) {
    }

    /** The answer to a request that met `$error`; null for a developer's mistake, which is no answer to anybody. */
    public static function of(\Throwable $error): ?self
    {
        [$status, $code, $title] = $error instanceof ProofRefused
            ? [401, $error->flaw, $error->title]
            : self::KNOWN[$error::class] ?? [0, '', ''];
        if ($status === 0) {
            return null;
        }
        // What happened between the servers is for the log: it may name hosts and files.
        $away = 'Try again soon. What this request was to write may be written, or not.';
        $detail = $status === 503 ? $away : $error->getMessage();
        $members = match (true) {
            $error instanceof SessionEnded, $error instanceof LoginRequired => self::known(['end_reason' => $error->reason]),
            $error instanceof ReauthenticationRequired => self::known([
                'max_age' => $error->maxAge,
                'level' => $error->level,
                'action' => $error->action,
                'nonce' => $error->nonce,
            ]),
            $error instanceof SessionConflict => ['keys' => $error->keys],
            $error instanceof SessionLimitReached => ['limit' => $error->limit],
            $error instanceof SessionRefused => ['retry_after' => $error->retryAfter],
            $error instanceof DataTooLarge => ['size' => $error->size, 'limit' => $error->limit],
            $error instanceof ProofRefused => self::known(['nonce' => $error->nonce]),
            default => [],
        };
        $challenge = match (true) {
            $error instanceof ProofRefused => $error->challenge(),
            $error instanceof ReauthenticationRequired && $error->nonce !== null => ['DPoP-Nonce' => $error->nonce],
            default => [],
        };
        return new self($status, $code, $title, $detail, $members, $challenge);
    }

    /**
     * @param array<string, mixed> $members
     * @return array<string, mixed> without those that play no part
     */
    private static function known(array $members): array
    {
        return array_filter($members, static fn (mixed $value): bool => $value !== null);
    }

    /** Answer with this problem, in place of a page that did not leave yet. For an exception handler of your own. */
    public function send(): void
    {
        $this->sendHeaders();
        echo $this->body();
    }

    public function body(): string
    {
        $members = [
            'type' => "urn:sojourn:problem:$this->code",
            'title' => $this->title,
            'status' => $this->status,
            'detail' => $this->detail,
            ...$this->members,
        ];
        $flags = JSON_INVALID_UTF8_SUBSTITUTE | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;
        return json_encode($members, JSON_THROW_ON_ERROR | $flags);
    }

    /** Set the status and headers, in place of those that were of the page alone. */
    public function sendHeaders(): void
    {
        if (headers_sent()) {
            return;
        }
        foreach (self::OF_THE_PAGE as $name) {
            header_remove($name);
        }
        header('Content-Type: application/problem+json', true, $this->status);
        header('Cache-Control: no-store');
        header('X-Content-Type-Options: nosniff');
        foreach ($this->challenge as $name => $value) {
            foreach ((array) $value as $each) {
                header("$name: $each", false);
            }
        }
        $wait = $this->status === 503 ? self::RETRY_AFTER : $this->members['retry_after'] ?? null;
        if ($wait !== null) {
            header("Retry-After: $wait");
        }
    }
}
