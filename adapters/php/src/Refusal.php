<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * An answer of the service that is no 200, as the exception that it means.
 *
 * @internal
 */
final class Refusal
{
    /** @param string $url where the service is, for who reads the message */
    public static function of(int $status, string $body, string $url): SojournException
    {
        $told = json_decode($body, true);
        $type = is_array($told) ? $told['type'] ?? '' : '';
        if (!is_string($type) || preg_match('/^urn:sojourn:problem:([a-z-]+)$/D', $type, $match) !== 1) {
            // A proxy in between, most likely.
            $message = "The session service at $url answered $status, and not as Sojourn does.";
            return $status >= 500 ? new ServiceUnavailable($message) : new ConfigurationError($message);
        }
        $detail = (string) ($told['detail'] ?? '');
        return match ($match[1]) {
            'session-ended' => new SessionEnded($detail, $told['end_reason'] ?? null),
            'session-conflict' => new SessionConflict($detail),
            'session-limit' => new SessionLimitReached($detail),
            'data-too-large', 'body-too-large' => new DataTooLarge($detail),
            'invalid-data' => new InvalidData($detail),
            'store-unavailable' => new ServiceUnavailable("The session service at $url does not reach its store."),
            default => new ConfigurationError("The session service refused what it was sent ($match[1]): $detail"),
        };
    }
}
