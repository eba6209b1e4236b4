<?php

declare(strict_types=1);

namespace Sojourn;

/** The session is bound to a key of its visitor's, which this request does not prove: its token alone opens nothing. */
final class ProofRefused extends SojournException
{
    /** @param string $flaw what is wrong, as `proof-required`: the problem's code */
    public function __construct(string $message, public readonly string $flaw, public readonly string $title)
    {
        parent::__construct($message);
    }
}
