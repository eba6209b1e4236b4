<?php

declare(strict_types=1);

namespace Sojourn;

/** An unsafe request came from a page of another site. */
final class CrossOrigin extends SojournException
{
}
