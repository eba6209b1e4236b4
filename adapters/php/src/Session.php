<?php

declare(strict_types=1);

namespace Sojourn;

/** `$_SESSION` in the session service, in one call: `Sojourn\Session::start()`. */
final class Session
{
    private static ?SessionHandler $handler = null;

    /**
     * Open the session of this request's cookie, as session_start() does; it is committed before the answer leaves.
     *
     * An unsafe request from another site's page is refused (403), a service that does not answer is a 503, never an
     * empty session: where nothing catches these exceptions, they are answered as problems. Called again after
     * session_write_close(), it opens the session anew, from the service that it was told first.
     *
     * @param ?string $service `http://…`, `https://…` or `unix:/…`; null for the environment's SOJOURN_SERVICE
     * @param ?string $key the API key, sjk1-…; null for the environment's SOJOURN_KEY
     * @param float $timeout how long the service may take for an answer, in seconds
     * @param string $cookie the cookie's name, as the service has it
     * @param array<string> $trustedOrigins other origins whose pages may send requests here: 'https://app.example.com'
     * @param bool $passive do not count this request as activity: polling must not keep a session alive
     * @param bool $readAndClose only read; `$_SESSION` is not written
     * @param array<string> $crossSitePaths whole paths that other sites' pages may post to, as identity providers do:
     *     '/auth/callback'. Nothing there is protected from them. The browser sends no session along
     * @param bool $dangerouslyAllowPlainHttp let key and tokens cross a network readably, on http:// to another machine
     * @param bool $scriptReadableTokens let scripts hold the token themselves, and send it in Authorization: one that is
     *     injected into a page can then steal it, which it cannot with the cookie
     * @param ?string $publicOrigin the origin that browsers see, 'https://app.example.com', for tokens that are bound to
     *     a key of the script's (DPoP), where the service's policy binds them
     * @throws SojournException
     */
    public static function start(
        ?string $service = null,
        #[\SensitiveParameter] ?string $key = null,
        float $timeout = 2.0,
        string $cookie = '__Host-session',
        array $trustedOrigins = [],
        bool $passive = false,
        bool $readAndClose = false,
        array $crossSitePaths = [],
        bool $dangerouslyAllowPlainHttp = false,
        bool $scriptReadableTokens = false,
        ?string $publicOrigin = null,
    ): void {
        if (session_status() === PHP_SESSION_ACTIVE) {
            if (self::$handler?->isCurrent()) {
                return;
            }
            throw new ConfigurationError("PHP's own session is open: drop session_start(), set session.auto_start=0.");
        }
        if (headers_sent($file, $line)) {
            throw new ConfigurationError("Session::start() comes before any output; it began at $file:$line.");
        }
        if (!self::$handler?->isCurrent()) {
            self::$handler = null;
            Page::hold(static fn () => self::$handler?->commit(), static fn () => self::$handler?->guard());
            $service = new Service(
                $service ?? self::environment('SOJOURN_SERVICE', 'service', "'http://127.0.0.1:8100'"),
                $key ?? self::environment('SOJOURN_KEY', 'key', 'sjk1-…'),
                $timeout,
                $dangerouslyAllowPlainHttp,
            );
            $handler = new SessionHandler($service, $cookie, $passive, $scriptReadableTokens, $publicOrigin);
            // What makes a request a script's no page of another site can send without being asked for leave.
            if (!$handler->isBearer()) {
                Origin::check($_SERVER, $trustedOrigins, $crossSitePaths);
            }
            self::$handler = $handler;
            self::handle($handler);
        }
        session_start(SessionHandler::OPTIONS + ['read_and_close' => $readAndClose]);
    }

    private static function handle(SessionHandler $handler): void
    {
        try {
            session_set_save_handler($handler, false);
        } catch (\Error $error) {
            throw filter_var(ini_get('session.upload_progress.enabled'), FILTER_VALIDATE_BOOL)
                ? new ConfigurationError(
                    'session.upload_progress.enabled is on, and this PHP then lets nobody set a handler of sessions. Switch '
                    . 'it off in php.ini: it tells nothing of uploads here.'
                )
                : $error;
        }
    }

    /** The session's public id, safe to log; null before its first commit. */
    public static function id(): ?string
    {
        return self::handler()->id();
    }

    /** Who is logged in, or null. */
    public static function userId(): ?string
    {
        return self::handler()->userId();
    }

    /** When the user last proved who they are, or null. */
    public static function authenticatedAt(): ?\DateTimeImmutable
    {
        return self::handler()->authenticatedAt();
    }

    /** The level that the log-in proved, `aal1` to `aal3`, or null. */
    public static function level(): ?string
    {
        return self::handler()->level();
    }

    /** @return list<string> what the log-in proved: names like those of RFC 8176 */
    public static function methods(): array
    {
        return self::handler()->methods();
    }

    /**
     * The user's id, where somebody is logged in, since at most `$within` seconds and at this level at least.
     *
     * @throws LoginRequired
     * @throws ReauthenticationRequired each is a 401, where nothing catches it
     */
    public static function requireLogin(null|int|float $within = null, ?string $level = null): string
    {
        return self::handler()->requireLogin($within, $level);
    }

    /** Allow one `useGrant($action)` in the next `$within` seconds: after a proof that was given for it alone. */
    public static function grantOnce(string $action, int|float $within = 120): void
    {
        self::handler()->grantOnce($action, $within);
    }

    /**
     * Use the grant for `$action` up, before you act: of two requests that use one grant at once, one gets past this.
     *
     * It is written at once, with all that was changed so far.
     *
     * @throws ReauthenticationRequired where there is none
     */
    public static function useGrant(string $action): void
    {
        self::handler()->useGrant($action);
    }

    /** Why the session ended, if it did and the service still knows: `logout`, `idle_timeout`, `revoked`, … */
    public static function endReason(): ?string
    {
        return self::handler()->endReason();
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
    public static function login(
        string $userId,
        bool $remember = false,
        ?string $level = null,
        array $methods = [],
        ?array $keep = null,
    ): void {
        self::handler()->login($userId, $remember, $level, $methods, $keep);
    }

    /** End the session with the commit, and empty `$_SESSION`; what is set afterwards begins a new one. */
    public static function logout(): void
    {
        self::handler()->logout();
    }

    /** Add to an integer in `$_SESSION`, a missing one counting as 0; the sum. Parallel requests add up. */
    public static function increment(string $key, int $by = 1): int
    {
        return self::handler()->increment($key, $by);
    }

    private static function handler(): SessionHandler
    {
        return self::$handler ?? throw new ConfigurationError('Call Sojourn\Session::start() first.');
    }

    private static function environment(string $name, string $option, string $example): string
    {
        $value = $_SERVER[$name] ?? getenv($name);
        if (!is_string($value) || $value === '') {
            throw new ConfigurationError("Give Session::start($option: $example), or set $name in the environment.");
        }
        return $value;
    }
}
