<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * How tokens travel: in a cookie, or in Authorization too, where scripts may hold them.
 *
 * @internal
 */
final class Transport
{
    /** What of a request the session depends on, where both are allowed. */
    public const BOTH = ['Cookie', 'Authorization'];

    /**
     * @param string $cookie the cookie's name
     * @param ?string $publicOrigin the origin that browsers see; null where no session is bound to a key
     */
    public function __construct(
        private readonly string $cookie,
        private readonly bool $scriptReadableTokens,
        private readonly ?string $publicOrigin,
    ) {
        if ($publicOrigin === null) {
            return;
        }
        if (!$scriptReadableTokens) {
            throw new ConfigurationError(
                'publicOrigin is for tokens that scripts hold: give scriptReadableTokens: true. A session in a cookie is '
                . "bound by the service's settings."
            );
        }
        Origin::checkPublic($publicOrigin);
    }

    /** Whether a script that holds its token itself sent the request. */
    public function isBearer(): bool
    {
        // A scheme is of capitals or not, with a space after it or several (RFC 9110, section 11.4).
        $shows = $this->publicOrigin === null ? '/^bearer +sj1-/i' : '/^(?:bearer|dpop) +sj1-/i';
        return isset($_SERVER['HTTP_SOJOURN_TRANSPORT']) || preg_match($shows, Request::authorization()) === 1;
    }

    /**
     * Refuse a script's token where there may be none, and one beside a cookie's.
     *
     * @throws BearerNotEnabled
     * @throws AmbiguousToken
     */
    public function check(): void
    {
        if (!$this->isBearer()) {
            return;
        }
        if (!$this->scriptReadableTokens) {
            throw new BearerNotEnabled(
                "This server keeps session tokens in HttpOnly cookies. Use the client's storage 'cookie'."
            );
        }
        // XMLHttpRequest cannot leave an old cookie at home; the client's header says which token is meant.
        if (!isset($_SERVER['HTTP_SOJOURN_TRANSPORT']) && $this->cookie()->read() !== []) {
            throw new AmbiguousToken(
                'The request holds a session token in a cookie and another in Authorization. Send one of them.'
            );
        }
    }

    /** What carries the token of the request that is being answered. */
    public function carrier(): Carrier
    {
        return $this->isBearer() ? new Bearer(Request::authorization(), $this->key()) : $this->cookie();
    }

    private function cookie(): Cookie
    {
        return new Cookie($this->cookie, $this->scriptReadableTokens ? self::BOTH : ['Cookie']);
    }

    private function key(): ?ScriptKey
    {
        if ($this->publicOrigin === null) {
            return null;
        }
        $isDpop = strncasecmp(Request::authorization(), 'DPoP ', 5) === 0;
        return new ScriptKey(Request::proof(), Request::method(), $this->publicOrigin . Request::encodedPath(), $isDpop);
    }
}
