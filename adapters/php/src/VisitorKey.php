<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * The key of a visitor whose session may be bound to it: what the request shows of it, and what the service said.
 *
 * @internal
 */
interface VisitorKey
{
    /** Whether the next call to the service hands a proof on, which is good once. */
    public function isShown(): bool;

    /** @return array<string, mixed> what an open or a commit says of it */
    public function shown(): array;

    /** @throws ProofRefused where the session opens nothing to this request, for want of a proof */
    public function heard(Answer $answer): void;

    public function refused(ProofRefused $refusal): void;
}
