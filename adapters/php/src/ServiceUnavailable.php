<?php

declare(strict_types=1);

namespace Sojourn;

/** The session service, or its store, could not be reached or did not answer in time. */
final class ServiceUnavailable extends SojournException
{
}
