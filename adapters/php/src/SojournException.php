<?php

declare(strict_types=1);

namespace Sojourn;

/** The root of everything that this package throws on purpose. No message holds a token, a key or a session's value. */
abstract class SojournException extends \RuntimeException
{
}
