<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * What the service said of a session: of `open`, or of `commit`, which also has what to tell the browser.
 *
 * @internal
 */
final class Answer
{
    /**
     * @param array<string, mixed> $told
     * @param string $json the same as it came: there, `{}` and `[]` are still two things
     */
    public function __construct(
        #[\SensitiveParameter] private readonly array $told,
        #[\SensitiveParameter] private readonly string $json,
    ) {
    }

    /** `active`, `ended` or `none`. */
    public function status(): string
    {
        return $this->told['status'];
    }

    /** Whether there is a live session. */
    public function isActive(): bool
    {
        return $this->told['status'] === 'active' && isset($this->told['session']);
    }

    /** Refuse an answer about another session than the one of this token. */
    public function check(#[\SensitiveParameter] string $token): void
    {
        if ($this->isActive() && $this->session('id') !== Token::id($token)) {
            throw new ServiceUnavailable('The session service answered for another session than was asked for.');
        }
    }

    /** One of the live session's facts: id, user_id, authenticated_at, … */
    public function session(string $fact): mixed
    {
        return $this->told['session'][$fact] ?? null;
    }

    /** @return array<mixed> the session's data, with PHP arrays for both of JSON's kinds */
    public function data(): array
    {
        return $this->told['session']['data'] ?? [];
    }

    /** @return array<mixed> the session's data, in which JSON's objects are objects */
    public function shapes(): array
    {
        if ($this->data() === []) {
            return [];
        }
        $told = json_decode($this->json);
        if (!$told instanceof \stdClass) {
            throw new InvalidData('The session holds a key that begins with a NUL, which PHP cannot write back.');
        }
        return (array) $told->session->data;
    }

    public function endReason(): ?string
    {
        return $this->told['end_reason'] ?? null;
    }

    /** Whether activity or the token's secret is to be written down even if nothing changed. */
    public function isCommitDue(): bool
    {
        return $this->told['commit_due'] ?? false;
    }

    public function now(): int
    {
        return $this->told['now'];
    }

    /** A new token for the browser, if there is one. */
    public function token(): ?string
    {
        return $this->told['token'] ?? null;
    }

    /** The key that the request proved, if its session is bound to one. */
    public function proved(): ?string
    {
        return $this->told['proved'] ?? null;
    }

    /** What the browser's next proof must hold, if it is another than this one's. */
    public function nonce(): ?string
    {
        return $this->told['nonce'] ?? null;
    }

    /** The nonce for a proof that a cookie's session has owed for long; null where it owes none. */
    public function owed(): ?string
    {
        return $this->told['owed'] ?? null;
    }

    /** @return ?array{set_cookie: string, registration: ?string} what the browser is told for a key of its own */
    public function device(): ?array
    {
        return $this->told['device'] ?? null;
    }

    /** The whole value of a Set-Cookie header, if one is to be sent. */
    public function setCookie(): ?string
    {
        return $this->told['set_cookie'] ?? null;
    }

    /** @return array<string, mixed> what var_dump may show: no token, and no data */
    public function __debugInfo(): array
    {
        return ['status' => $this->told['status'], 'id' => $this->session('id')];
    }
}
