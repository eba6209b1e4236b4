<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * What carries a token between the browser and here, in one request: a cookie, or what a script sends.
 *
 * @internal
 */
interface Carrier
{
    /** @return list<string> the tokens that the request shows, in its order */
    public function read(): array;

    /** The key that the session may be bound to; null where it cannot be. */
    public function key(): ?VisitorKey;

    /** Put into the answer what the service has for the browser, if it has anything. */
    public function tell(Answer $answer): void;

    /** Make the browser forget all that it showed. */
    public function forget(): void;

    /** See that the answer still says what caches and the browser must know, whatever others set since. */
    public function guard(): void;
}
