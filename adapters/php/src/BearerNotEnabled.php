<?php

declare(strict_types=1);

namespace Sojourn;

/** A script sent its token itself, and tokens are in cookies alone here. */
final class BearerNotEnabled extends SojournException
{
}
