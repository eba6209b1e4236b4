<?php

declare(strict_types=1);

namespace Sojourn;

/** A setting or the wiring is wrong; the message says which, and what to write instead. */
final class ConfigurationError extends SojournException
{
}
