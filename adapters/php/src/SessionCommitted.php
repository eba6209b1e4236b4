<?php

declare(strict_types=1);

namespace Sojourn;

/** The session was changed after its commit, or after the response had started, where it could not be kept. */
final class SessionCommitted extends SojournException
{
}
