<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * PHP's sessions in the session service, for session_set_save_handler(). `Session::start()` sets it up in one call.
 *
 * PHP's session id is here the session's public id, safe to log, and never the token: that stays between the cookie and
 * the service. A session that begins is called `new-` and something random, all through its first request.
 */
final class SessionHandler implements
    \SessionHandlerInterface,
    \SessionIdInterface,
    \SessionUpdateTimestampHandlerInterface
{
    /** What session_start() needs: the cookie is the service's, and data is compared in PHP's full notation. */
    public const OPTIONS = [
        'use_cookies' => 0,
        'use_only_cookies' => 1,
        'use_trans_sid' => 0,
        'use_strict_mode' => 1,
        'serialize_handler' => 'php_serialize',
    ];

    private readonly Transport $transport;
    private Carrier $carrier;
    private ?Request $request = null;
    private ?Exchange $exchange = null;
    /** PHP's name for the session of `$exchange`; one that began in this request keeps its own until the next. */
    private string $id = '';
    /** Whether `$exchange` was opened for a start that did not read it yet. */
    private bool $fresh = false;
    /** Why it could not be opened. PHP makes another error of what create_sid() throws, so that read() throws it. */
    private ?SojournException $failure = null;
    private bool $writable = false;

    /**
     * @param string $cookie the cookie's name, as the service has it
     * @param bool $passive whether this request does not count as activity: polling must not keep a session alive
     * @param bool $scriptReadableTokens let scripts hold the token themselves, and send it in Authorization: one that is
     *     injected into a page can then steal it, which it cannot with the cookie
     * @param ?string $publicOrigin the origin that browsers see, 'https://app.example.com', for tokens that are bound to
     *     a key of the script's (DPoP), where the service's policy binds them
     */
    public function __construct(
        private readonly Service $service,
        string $cookie = '__Host-session',
        private readonly bool $passive = false,
        bool $scriptReadableTokens = false,
        ?string $publicOrigin = null,
    ) {
        $this->transport = new Transport($cookie, $scriptReadableTokens, $publicOrigin);
        $this->carrier = $this->transport->carrier();
    }

    /** The session's public id, safe to log; null before its first commit. */
    public function id(): ?string
    {
        return $this->started()->id();
    }

    /** Who is logged in, or null. */
    public function userId(): ?string
    {
        return $this->started()->userId();
    }

    /** When the user last proved who they are, or null. */
    public function authenticatedAt(): ?\DateTimeImmutable
    {
        return $this->started()->authenticatedAt();
    }

    /** The level that the log-in proved, `aal1` to `aal3`, or null. */
    public function level(): ?string
    {
        return $this->started()->level();
    }

    /** @return list<string> what the log-in proved: names like those of RFC 8176 */
    public function methods(): array
    {
        return $this->started()->methods();
    }

    /**
     * The user's id, where somebody is logged in, since at most `$within` seconds and at this level at least.
     *
     * @throws LoginRequired
     * @throws ReauthenticationRequired each is a 401, where nothing catches it
     */
    public function requireLogin(null|int|float $within = null, ?string $level = null): string
    {
        return $this->started()->requireLogin($within, $level);
    }

    /** Allow one `useGrant($action)` in the next `$within` seconds: after a proof that was given for it alone. */
    public function grantOnce(string $action, int|float $within = 120): void
    {
        $this->writing()->grantOnce($action, $within, $_SESSION);
    }

    /**
     * Use the grant for `$action` up, before you act: of two requests that use one grant at once, one gets past this.
     *
     * It is written at once, with all that was changed so far.
     *
     * @throws ReauthenticationRequired where there is none
     */
    public function useGrant(string $action): void
    {
        $this->writing()->useGrant($action, $_SESSION);
    }

    /** Why the session ended, if it did and the service still knows: `logout`, `idle_timeout`, `revoked`, … */
    public function endReason(): ?string
    {
        return $this->started()->endReason();
    }

    /**
     * Tie a user to a new session with a new token; the one before ends. Call it after you checked the password.
     *
     * It is done with the commit: at session_write_close(), or at the end of the request. `$_SESSION` is carried over,
     * unless another user was logged in. `$remember` asks for the policy's longer timeouts and a lasting cookie.
     *
     * @param ?string $level how sure it is who it is, after what was proved: `aal1`, `aal2` or `aal3`
     * @param list<string> $methods what was proved: up to 16 names like those of RFC 8176, `['pwd', 'otp']` say
     * @param ?array<int|string> $keep the keys of `$_SESSION` that come along; null for all
     */
    public function login(
        string $userId,
        bool $remember = false,
        ?string $level = null,
        array $methods = [],
        ?array $keep = null,
    ): void {
        $this->writing()->login($userId, $remember, $_SESSION, $level, $methods, $keep);
    }

    /** End the session with the commit, and empty `$_SESSION`; what is set afterwards begins a new one. */
    public function logout(): void
    {
        $this->writing()->logout($_SESSION);
    }

    /** Add to an integer in `$_SESSION`, a missing one counting as 0; the sum. Parallel requests add up. */
    public function increment(string $key, int $by = 1): int
    {
        return $this->writing()->increment($key, $by, $_SESSION);
    }

    /** Write what there is to write so far, with the session left open: for before the first byte of an answer. */
    public function commit(): void
    {
        if ($this->writable && session_status() === PHP_SESSION_ACTIVE) {
            $this->keep(self::values((string) session_encode()));
        } else {
            $this->carrier->guard();
        }
    }

    /** @internal see that the answer says what the browser must know of what was committed */
    public function guard(): void
    {
        $this->carrier->guard();
    }

    /** @internal whether a script sent the request, which holds its token itself */
    public function isBearer(): bool
    {
        return $this->transport->isBearer();
    }

    /** @internal whether what is known is of this request */
    public function isCurrent(): bool
    {
        return $this->request?->isCurrent() ?? false;
    }

    /** @internal called by PHP, as all below */
    public function open(string $path, string $name): bool
    {
        if (PHP_SAPI === 'cli') {
            throw new ConfigurationError(
                'PHP keeps sessions for web requests alone: not on the command line, nor in a server written in PHP.'
            );
        }
        foreach (self::OPTIONS as $option => $value) {
            $set = ini_get("session.$option");
            // php.ini's Off is an empty text.
            if ((is_int($value) ? (int) filter_var($set, FILTER_VALIDATE_BOOL) : $set) !== $value) {
                throw new ConfigurationError(
                    "session.$option must be $value. Start with session_start(Sojourn\\SessionHandler::OPTIONS)."
                );
            }
        }
        $precision = (int) ini_get('serialize_precision');
        if ($precision !== -1 && $precision < 17) {
            throw new ConfigurationError('serialize_precision must be -1 (or 17), or numbers would change in silence.');
        }
        return true;
    }

    /** @internal */
    public function create_sid(): string
    {
        $caller = PhpCall::name();
        $new = 'new-' . bin2hex(random_bytes(16));
        if ($caller === 'session_create_id') {
            return $new;
        }
        if ($caller === 'session_regenerate_id') {
            $this->exchange?->regenerate();
            return $this->id = $new;
        }
        if (!$this->fresh || !$this->isCurrent()) {
            $this->load(null);
        }
        return $this->id = ($this->failure === null ? $this->exchange?->id() : null) ?? $new;
    }

    /** @internal */
    public function validateId(#[\SensitiveParameter] string $id): bool
    {
        if (in_array(PhpCall::name(), ['session_regenerate_id', 'session_create_id'], true)) {
            // Whether the new id is taken.
            return false;
        }
        if (!Token::fits($id) && ($this->exchange === null || $id !== $this->id || !$this->isCurrent())) {
            return false;
        }
        $before = $this->exchange?->id();
        $this->load(Token::fits($id) ? $id : null);
        $now = $this->exchange?->id();
        return $this->failure === null && ($id === $now || ($before === $now && str_starts_with($id, 'new-')));
    }

    /** @internal */
    public function read(#[\SensitiveParameter] string $id): string
    {
        if ($this->failure !== null) {
            $this->fresh = false;
            throw $this->failure;
        }
        if ($this->exchange === null || $id !== $this->id) {
            throw new ConfigurationError('SessionHandler is for session_start(): an id of other origin opens nothing.');
        }
        if ($this->fresh) {
            $this->fresh = false;
            $this->writable = true;
            $this->carrier->guard();
        }
        return serialize($this->exchange->data());
    }

    /** @internal */
    public function write(#[\SensitiveParameter] string $id, #[\SensitiveParameter] string $data): bool
    {
        if (PhpCall::name() === 'session_regenerate_id') {
            // It is written under the new id.
            return true;
        }
        $this->keep(self::values($data));
        return true;
    }

    /** @internal */
    public function updateTimestamp(#[\SensitiveParameter] string $id, #[\SensitiveParameter] string $data): bool
    {
        return $this->write($id, $data);
    }

    /** @internal */
    public function destroy(#[\SensitiveParameter] string $id): bool
    {
        if (PhpCall::name() !== 'session_regenerate_id') {
            $none = [];
            $this->writable = false;
            $this->exchange?->logout($none);
            $this->exchange?->commit($none);
        }
        return true;
    }

    /** @internal */
    public function close(): bool
    {
        $caller = PhpCall::name();
        if ($caller === 'session_regenerate_id') {
            return true;
        }
        if ($caller === 'session_abort') {
            $this->exchange?->abort();
        }
        if ($this->writable) {
            // After read_and_close, what is due is still to be written: reading is activity.
            $this->writable = false;
            $this->keep($this->exchange?->data() ?? []);
        }
        return true;
    }

    /** @internal the service sees to that */
    public function gc(int $max_lifetime): int
    {
        return 0;
    }

    /** Open the session of this token; of null, the one that the browser has by now. */
    private function load(#[\SensitiveParameter] ?string $token): void
    {
        if (!$this->isCurrent()) {
            // Nothing of another visitor's request may be found in this one.
            $this->request = Request::current();
            $this->carrier = $this->transport->carrier();
            $this->exchange = null;
        }
        $this->fresh = true;
        $this->failure = null;
        try {
            $this->transport->check();
            $before = $this->exchange;
            $token ??= $before?->token();
            $tokens = $token === null && $before === null ? $this->carrier->read() : array_filter([$token]);
            $openedAt = $token !== null && $token === $before?->token() ? $before->openedAt() : null;
            [$client, $others] = [Request::client(), $before?->others() ?? []];
            $this->exchange = Exchange::open(
                $this->service, $this->carrier, $tokens, $client, $this->passive, $openedAt, $others,
            );
        } catch (SojournException $error) {
            $this->failure = $error;
        }
    }

    private function started(): Exchange
    {
        return $this->exchange !== null && $this->failure === null && $this->isCurrent()
            ? $this->exchange
            : throw $this->failure ?? new ConfigurationError('Start the session before you ask who is in it.');
    }

    private function writing(): Exchange
    {
        if ($this->exchange === null || !$this->writable || session_status() !== PHP_SESSION_ACTIVE) {
            throw new SessionCommitted('The session is not open for changes. Start it, again if need be, before this.');
        }
        return $this->exchange;
    }

    /** @param array<mixed> $values */
    private function keep(array $values): void
    {
        try {
            if (!Request::isFailing()) {
                $this->exchange?->commit($values);
            }
        } finally {
            // Also the answer of who catches a refusal tells the browser what to prove.
            $this->carrier->guard();
        }
    }

    /**
     * What is in $_SESSION, if that is what PHP has to write.
     *
     * @return array<mixed>
     */
    private static function values(#[\SensitiveParameter] string $data): array
    {
        $values = $_SESSION ?? null;
        if (!is_array($values) || serialize($values) !== $data) {
            throw new ConfigurationError(
                'What PHP wants to write is not what is in $_SESSION. Empty it with $_SESSION = [], never unset it, '
                . 'and put no other handler around this one.'
            );
        }
        return $values;
    }

    /** @return array<string, mixed> what var_dump may show: no token */
    public function __debugInfo(): array
    {
        return ['exchange' => $this->exchange];
    }
}
