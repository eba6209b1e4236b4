<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * The tokens of a request, opened: one, mostly. Several are there where the cookie's domain or path was changed, or a
 * sibling host plants one. Those that open nothing are passed over, and the only live one counts. Of two live ones none
 * does: which of them is the visitor's, nobody can know.
 *
 * @internal
 */
final class Rivals
{
    /** More are nobody's cookies, and are not asked for: they would make a request a hundred. */
    private const MOST = 8;

    /**
     * @param ?string $token the one that counts: live, or over
     * @param ?Answer $answer to it
     * @param list<string> $live where none counts, those that are live
     */
    private function __construct(
        public readonly bool $isContested,
        #[\SensitiveParameter] public readonly ?string $token,
        public readonly ?Answer $answer,
        #[\SensitiveParameter] public readonly array $live,
    ) {
    }

    /**
     * @param list<string> $tokens in the order sent
     * @param ?int $openedAt when this request opened the session first, where it did before
     * @param ?VisitorKey $key what the request shows of one
     * @throws SojournException
     */
    public static function open(
        Service $service,
        #[\SensitiveParameter] array $tokens,
        ?int $openedAt,
        ?VisitorKey $key,
    ): self {
        if (count($tokens) > self::MOST) {
            return new self(true, null, null, []);
        }
        [$live, $over] = [[], []];
        foreach (self::bySession($tokens) as $secrets) {
            foreach ($secrets as $token) {
                try {
                    $answer = $service->open($token, $openedAt, $key);
                } catch (ProofRefused $error) {
                    // Bound to a key, it is nobody's without it, and hinders no other.
                    if (count($tokens) === 1) {
                        throw $error;
                    }
                    continue;
                }
                $answer->check($token);
                if ($answer->isActive()) {
                    $live[] = [$token, $answer];
                    break;
                }
                // What is over says why, if the service still knows.
                $over[$answer->endReason() === null ? 1 : 0] ??= [$token, $answer];
            }
        }
        if (count($live) > 1) {
            return new self(true, null, null, array_column($live, 0));
        }
        [$token, $answer] = $live[0] ?? $over[0] ?? $over[1] ?? [null, null];
        return new self(false, $token, $answer, []);
    }

    /**
     * Each session's tokens, the newest first, as browsers send it last: an older secret may be taken for a thief's.
     *
     * @param list<string> $tokens
     * @return array<list<string>>
     */
    private static function bySession(#[\SensitiveParameter] array $tokens): array
    {
        $sessions = [];
        foreach (array_reverse($tokens) as $token) {
            $sessions[Token::id($token)][] = $token;
        }
        return $sessions;
    }

    /** @return array<string, mixed> what var_dump may show: no token */
    public function __debugInfo(): array
    {
        return ['answer' => $this->answer];
    }
}
