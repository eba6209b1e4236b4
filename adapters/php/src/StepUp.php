<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * Whether what a log-in proved, and when, is enough for what is asked.
 *
 * @internal
 */
final class StepUp
{
    private const LEVELS = ['aal1', 'aal2', 'aal3'];
    /** What the keys of one-time grants begin with, in a session's data. */
    private const GRANT = '_grant:';

    /**
     * The user's id, where the log-in is recent enough and high enough.
     *
     * @param ?int $since how many milliseconds ago it was
     * @param null|int|float $within how many seconds ago it may have been at most
     * @param ?string $owed a nonce where the session owes a proof of its key: then no log-in is enough
     * @throws LoginRequired
     * @throws ReauthenticationRequired
     */
    public static function check(
        ?string $userId,
        ?int $since,
        ?string $proved,
        null|int|float $within,
        ?string $level,
        ?string $endReason,
        ?string $owed = null,
    ): string {
        self::checkLevel($level, 'requireLogin');
        if ($userId === null || $since === null) {
            $ended = $endReason === null ? '' : " The session ended: $endReason.";
            throw new LoginRequired("This needs somebody who is logged in.$ended", $endReason);
        }
        $isTooLow = $level !== null && self::rank($proved) < self::rank($level);
        if ($isTooLow || ($within !== null && ($owed !== null || $since > $within * 1000))) {
            $at = $level === null ? '' : " of level $level";
            $when = $within === null ? '' : " in the last $within seconds";
            $message = "This needs a log-in$at$when. Log in again, then retry.";
            throw new ReauthenticationRequired($message, $within, $level, nonce: $owed);
        }
        return $userId;
    }

    /**
     * @param ?string $level
     * @param array<mixed> $methods
     * @param ?array<mixed> $keep
     */
    public static function checkLogin(?string $level, array $methods, ?array $keep): void
    {
        self::checkLevel($level, 'login');
        $isMethod = static fn (mixed $name): bool => is_string($name) && preg_match('/^[!-~]{1,32}$/D', $name) === 1;
        if (count($methods) > 16 || array_filter($methods, $isMethod) !== $methods) {
            throw new ConfigurationError(
                "login(methods:) needs up to 16 names like those of RFC 8176: ['pwd', 'otp'], say."
            );
        }
        if (array_filter($keep ?? [], static fn (mixed $key): bool => !is_string($key) && !is_int($key)) !== []) {
            throw new ConfigurationError("login(keep:) needs a list of keys: ['cart'], say.");
        }
    }

    /** The key of `$_SESSION` under which a one-time grant for `$action` is kept. */
    public static function grantKey(string $action): string
    {
        if (preg_match('/^.{1,255}$/usD', $action) !== 1) {
            throw new ConfigurationError("A grant is for an action with a name of 1 to 255 characters: 'transfer:42', say.");
        }
        return self::GRANT . $action;
    }

    /**
     * @param mixed $until what is under its key; null where nothing is
     * @throws ReauthenticationRequired where there is no grant, or it is good no more at `$now`
     */
    public static function checkGrant(string $action, mixed $until, ?int $now): void
    {
        if (!is_int($until) || $now === null || $now >= $until) {
            throw new ReauthenticationRequired(
                "This needs a fresh proof of who you are, for '$action' alone. Give it, then retry.",
                action: $action,
            );
        }
    }

    private static function checkLevel(?string $level, string $method): void
    {
        if ($level !== null && !in_array($level, self::LEVELS, true)) {
            throw new ConfigurationError("$method(level: '$level'): give one of 'aal1', 'aal2' and 'aal3'.");
        }
    }

    private static function rank(?string $level): int
    {
        return (int) array_search($level, [null, ...self::LEVELS], true);
    }
}
