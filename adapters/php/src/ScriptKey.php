<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * A script's own key (DPoP): a proof with each request.
 *
 * @internal
 */
final class ScriptKey implements VisitorKey
{
    private ?string $proved = null;
    private ?string $nonce = null;
    private ?ProofRefused $refusal = null;

    /**
     * @param ?string $proof the request's header DPoP
     * @param string $url as browsers see it, from the public origin on
     * @param bool $byDpop whether the token came in `Authorization: DPoP`
     */
    public function __construct(
        #[\SensitiveParameter] private readonly ?string $proof,
        private readonly string $method,
        private readonly string $url,
        private readonly bool $byDpop,
    ) {
    }

    public function isShown(): bool
    {
        return $this->proof !== null && $this->proved === null;
    }

    /** @return array<string, mixed> the proof, and once that was taken, that it was */
    public function shown(): array
    {
        return $this->proved !== null ? ['proved' => $this->proved] : [
            'presented' => [
                'method' => $this->method,
                'url' => $this->url,
                'proof' => $this->proof,
                'dpop' => $this->byDpop,
            ],
        ];
    }

    public function heard(Answer $answer): void
    {
        $this->refusal = null;
        $this->proved = $answer->proved() ?? $this->proved;
        $this->nonce = $answer->nonce() ?? $this->nonce;
    }

    public function refused(ProofRefused $refusal): void
    {
        $this->refusal = $refusal;
    }

    /** What the browser's next proof must hold, if it is another than this one's. */
    public function nonce(): ?string
    {
        return $this->nonce;
    }

    /** @return array<string, string> headers that tell the browser what was wrong with its last proof */
    public function challenge(): array
    {
        return $this->refusal?->challenge() ?? [];
    }

    /** @return array<string, mixed> what var_dump may show: no proof */
    public function __debugInfo(): array
    {
        return ['url' => $this->url, 'proved' => $this->proved];
    }
}
