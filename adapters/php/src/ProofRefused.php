<?php

declare(strict_types=1);

namespace Sojourn;

/** The session is bound to a key of its visitor's, which this request does not prove: its token alone opens nothing. */
final class ProofRefused extends SojournException
{
    /** @var ?array<string, string|list<string>> headers for a cookie's browser; null for a script */
    private ?array $told = null;

    /**
     * @param string $flaw what is wrong, as `proof-required`: the problem's code
     * @param ?string $nonce what the next proof must hold; null where it lacks something else
     */
    public function __construct(
        string $message,
        public readonly string $flaw,
        public readonly string $title,
        public readonly ?string $nonce = null,
    ) {
        parent::__construct($message);
    }

    /** @internal of a cookie's session that owes a proof, for which it is given `$nonce` */
    public static function required(string $nonce): self
    {
        return new self(
            'The session is bound to a key, and the request does not prove it.',
            'proof-required',
            'The key is not proved',
            $nonce,
        );
    }

    /** @internal of a cookie's session that owes a proof, and was shown one of another key */
    public static function ofOtherKey(): self
    {
        return new self("The proof is of another key than the session's.", 'proof-other-key', 'The key is not proved');
    }

    /**
     * Have the answer tell the browser this, and nothing that is for scripts.
     *
     * @internal
     * @param array<string, string|list<string>> $headers
     */
    public function tell(array $headers): void
    {
        $this->told = $headers;
    }

    /**
     * Headers: what RFC 9449 has a client read, and ours that its token is worth nothing.
     *
     * @return array<string, string|list<string>>
     */
    public function challenge(): array
    {
        if ($this->told !== null) {
            return $this->told;
        }
        $error = $this->nonce === null ? 'invalid_dpop_proof' : 'use_dpop_nonce';
        // Its key is lost, or it knows of none: it could not even log in as long as it sends the token.
        $isLost = in_array($this->flaw, ['proof-required', 'proof-other-key'], true);
        return array_filter([
            'WWW-Authenticate' => "DPoP error=\"$error\", algs=\"ES256\"",
            'DPoP-Nonce' => $this->nonce,
            'Sojourn-Token' => $isLost ? 'none' : null,
        ]);
    }
}
