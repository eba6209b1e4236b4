<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * The browser's own key (DBSC): it proves it by itself, and its requests show a cookie that it has for that. In another
 * browser a script's, of which some requests have a proof (DPoP), for which the cookie's token is renewed.
 *
 * @internal
 */
final class DeviceKey implements VisitorKey
{
    private readonly string $start;
    private string $given = '';
    private ?string $proved = null;

    /** @param string $beside the name of the session's cookie */
    public function __construct(private readonly string $beside)
    {
        $this->start = '__Host-' . preg_replace('/^__(?:host|secure)-/i', '', $beside) . '-';
    }

    public function isShown(): bool
    {
        return $this->proved === null && Request::proof() !== null;
    }

    /** Nothing, where the browser shows nothing: nearly always. */
    public function shown(): array
    {
        $cookies = implode('; ', [...$this->find(Request::current()->cookies), ...$this->find($this->given)]);
        $said = (string) Request::header('Secure-Session-Skipped');
        $isSkipped = preg_match('/^(?:quota_exceeded|server_error|unreachable)(?:;[\x20-\x7e]*)?$/D', $said) === 1;
        $device = ['cookies' => $cookies] + ($isSkipped ? ['skipped' => $said] : []);
        if ($this->proved !== null) {
            return ['proved' => $this->proved, 'device' => $device];
        }
        $proof = Request::proof();
        if ($cookies === '' && !$isSkipped && $proof === null) {
            return [];
        }
        $signed = ['method' => Request::method(), 'path' => Request::encodedPath(), 'proof' => $proof];
        return ['device' => $device + ($proof === null ? [] : ['signed' => $signed])];
    }

    /** What the answer brings is the browser's, and this request goes on with it. */
    public function heard(Answer $answer): void
    {
        $this->given = $answer->device()['set_cookie'] ?? $this->given;
        $this->proved = $answer->proved() ?? $this->proved;
        if ($answer->owed() === null || $answer->status() !== 'none' || !Request::reads()) {
            return;
        }
        // One that was shown was another key's: that is lost, and the browser is to forget the cookie.
        $refusal = Request::proof() === null
            ? ProofRefused::required($answer->owed())
            : ProofRefused::ofOtherKey();
        $this->refused($refusal);
        throw $refusal;
    }

    /**
     * Before it follows a link from another site, the browser renews no bound cookie: it is to ask once more, by itself.
     * Before all else it does, if it has the key. If not, it is to forget the token, or it could not even log in.
     */
    public function refused(ProofRefused $refusal): void
    {
        if ($refusal->nonce !== null) {
            // A script's, which is to sign anew.
            return;
        }
        $site = Request::header('Sec-Fetch-Site');
        $refusal->tell(match (true) {
            $refusal->flaw === 'proof-other-key' && Request::proof() !== null => [
                'Set-Cookie' => CookieVariants::clearing($this->beside, Request::host(), Request::path()),
                'Sojourn-Token' => 'none',
            ],
            $refusal->flaw !== 'proof-required', Request::header('Secure-Session-Skipped') !== null => [],
            in_array($site, [null, 'same-origin', 'none'], true) => [
                'Set-Cookie' => CookieVariants::clearing($this->beside, Request::host(), Request::path()),
            ],
            Request::header('Sec-Fetch-Mode') === 'navigate' => ['Refresh' => '0'],
            default => [],
        });
    }

    /**
     * The bound cookies in a Cookie header: each is named for one log-in, and is a time and its seal.
     *
     * @return list<string> as it has them
     */
    private function find(#[\SensitiveParameter] string $header): array
    {
        if (!str_contains($header, $this->start)) {
            return [];
        }
        $name = preg_quote($this->start, '/');
        preg_match_all("/(?:^|; ?)\\K{$name}[A-Za-z0-9_-]{12}=[0-9]{1,15}\\.[A-Za-z0-9_-]{22}(?=;|\\z)/", $header, $found);
        return $found[0];
    }

    /** @return array<string, mixed> what var_dump may show: no cookie */
    public function __debugInfo(): array
    {
        return ['beside' => $this->beside];
    }
}
