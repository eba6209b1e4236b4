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
    /**
     * @param int $sent how many bytes the service was sent
     * @param string $url where the service is, for who reads the message
     */
    public static function of(int $status, string $body, int $sent, string $url): SojournException
    {
        $told = json_decode($body, true);
        $type = is_array($told) ? $told['type'] ?? '' : '';
        $isProblem = is_string($type) && preg_match('/^urn:sojourn:problem:([a-z-]+)$/D', $type, $match) === 1;
        if ($isProblem && str_starts_with($match[1], 'proof-')) {
            $nonce = is_string($told['nonce'] ?? null) ? $told['nonce'] : null;
            [$detail, $title] = [(string) ($told['detail'] ?? ''), (string) ($told['title'] ?? '')];
            return new ProofRefused($detail, $match[1], $title, $nonce);
        }
        $error = $isProblem ? self::meant($match[1], $told, $sent, $url) : null;
        if ($error !== null) {
            return $error;
        }
        // A proxy in between, most likely.
        $message = "The session service at $url answered $status, and not as Sojourn does.";
        return $status >= 500 ? new ServiceUnavailable($message) : new ConfigurationError($message);
    }

    /**
     * What a problem of this code means; null where it lacks what the exception holds.
     *
     * @param array<mixed> $told
     */
    private static function meant(string $code, array $told, int $sent, string $url): ?SojournException
    {
        $detail = (string) ($told['detail'] ?? '');
        [$keys, $wait] = [$told['keys'] ?? null, $told['retry_after'] ?? null];
        [$size, $limit] = [$told['size'] ?? null, $told['limit'] ?? null];
        return match ($code) {
            'session-ended' => new SessionEnded($detail, $told['end_reason'] ?? null),
            'session-conflict' => is_array($keys) ? new SessionConflict($detail, $keys) : null,
            'session-limit' => is_int($limit) ? new SessionLimitReached($detail, $limit) : null,
            'session-refused' => is_int($wait) ? new SessionRefused($detail, $wait) : null,
            'data-too-large' => is_int($size) && is_int($limit) ? new DataTooLarge($detail, $size, $limit) : null,
            'body-too-large' => is_int($limit) ? new DataTooLarge($detail, $sent, $limit) : null,
            'reauthentication-required' => new ReauthenticationRequired(
                $detail,
                $told['max_age'] ?? null,
                $told['level'] ?? null,
                $told['action'] ?? null,
                $told['nonce'] ?? null,
            ),
            'invalid-data' => new InvalidData($detail),
            'store-unavailable' => new ServiceUnavailable("The session service at $url does not reach its store."),
            default => new ConfigurationError("The session service refused what it was sent ($code): $detail"),
        };
    }
}
