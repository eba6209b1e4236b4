<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * A token that a script holds: found in Authorization, and told in Sojourn-Token.
 *
 * @internal
 */
final class Bearer implements Carrier
{
    /** The token of this answer, or `none`; null where there is nothing to tell. */
    private ?string $told = null;

    public function __construct(
        #[\SensitiveParameter] private readonly string $authorization,
        private readonly ?ScriptKey $key,
    ) {
    }

    public function read(): array
    {
        // A client that has a key does not know whether sessions are bound to it here.
        preg_match('/^(?:bearer|dpop) +(\S+) *$/i', $this->authorization, $shown);
        return Token::fits($shown[1] ?? '') ? [$shown[1]] : [];
    }

    public function key(): ?VisitorKey
    {
        return $this->key;
    }

    public function tell(Answer $answer): void
    {
        if ($answer->setCookie() !== null) {
            $this->told = $answer->token() ?? 'none';
        }
        $this->guard();
    }

    public function forget(): void
    {
        $this->told = 'none';
        $this->guard();
    }

    public function guard(): void
    {
        if (headers_sent()) {
            return;
        }
        Headers::vary(Transport::BOTH);
        // The page may be of who caught what was refused, and the client is to sign anew all the same.
        // What was committed before stays so: its token takes the place of what the refusal tells of one.
        $told = array_filter([
            'DPoP-Nonce' => $this->key?->nonce(),
            ...($this->key?->challenge() ?? []),
            ...($this->told === null ? [] : ['Sojourn-Token' => $this->told]),
        ]);
        foreach ($told as $name => $value) {
            // Of WWW-Authenticate PHP makes a 401, and the status is the page's.
            header("$name: $value", true, (int) http_response_code());
        }
        if ($told !== []) {
            Headers::neverStore();
        }
    }

    /** @return array<string, mixed> what var_dump may show: no token */
    public function __debugInfo(): array
    {
        return ['key' => $this->key];
    }
}
