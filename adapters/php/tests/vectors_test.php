<?php

declare(strict_types=1);

use Sojourn\AmbiguousToken;
use Sojourn\ConfigurationError;
use Sojourn\Cookie;
use Sojourn\DataTooLarge;
use Sojourn\Exchange;
use Sojourn\InvalidData;
use Sojourn\Problem;
use Sojourn\Refusal;
use Sojourn\Service;
use Sojourn\ServiceUnavailable;
use Sojourn\SessionConflict;
use Sojourn\SessionEnded;
use Sojourn\SessionLimitReached;
use Sojourn\SojournException;
use Sojourn\Token;

function test_vectors_tokens(): void
{
    foreach (vectors('tokens')['valid'] as $case) {
        same(true, Token::fits($case['token']));
        same($case['id'], Token::id($case['token']));
    }
    foreach (vectors('tokens')['invalid'] as $case) {
        same(false, Token::fits($case['text']), $case['why']);
    }
}

function test_vectors_cookies(): void
{
    foreach (vectors('cookies')['cases'] as $case) {
        $cookie = new Cookie($case['name']);
        // Web servers hand several headers to PHP as one.
        $find = static fn (): ?string => $cookie->find(implode('; ', $case['headers']));
        if ($case['result'] === 'ambiguous') {
            raises(AmbiguousToken::class, $find);
        } else {
            same($case['token'] ?? null, $find(), $case['why']);
        }
    }
}

function test_vectors_problems(): void
{
    $classes = [
        'session-ended' => SessionEnded::class,
        'session-conflict' => SessionConflict::class,
        'session-limit' => SessionLimitReached::class,
        'data-too-large' => DataTooLarge::class,
        'body-too-large' => DataTooLarge::class,
        'invalid-data' => InvalidData::class,
        'store-unavailable' => ServiceUnavailable::class,
    ];
    foreach (vectors('problems')['problems'] as $case) {
        $error = refusal($case, $case['body']);
        same($classes[$case['code']] ?? ConfigurationError::class, $error::class, $case['why']);
        $problem = Problem::of($error);
        if ($case['code'] === 'body-too-large') {
            same([7, $case['body']['limit']], [$error->size, $error->limit]);
        } elseif ($problem !== null) {
            same($case['body'], json_decode($problem->body(), true), $case['why']);
        }
        // What an exception holds comes from the problem's members, whatever the words are.
        $other = refusal($case, ['detail' => "'x', 'y': 9 of 8 bytes"] + $case['body']);
        same($problem?->members, Problem::of($other)?->members, $case['why']);
    }
}

function test_a_problem_that_lacks_what_its_exception_holds_is_none_of_sojourns(): void
{
    foreach (['session-conflict', 'session-limit', 'data-too-large', 'body-too-large'] as $code) {
        foreach ([[], ['keys' => 'a', 'size' => '3', 'limit' => 2.5]] as $members) {
            $body = ['type' => "urn:sojourn:problem:$code", 'detail' => "'a' has 3 of 2 bytes"] + $members;
            same(ConfigurationError::class, refusal(['status' => 409], $body)::class, $code);
        }
    }
}

function refusal(array $case, array $body): SojournException
{
    return Refusal::of($case['status'], json_encode($body), 7, 'http://127.0.0.1:8100');
}

function test_vectors_keys(): void
{
    $keys = vectors('problems')['keys'];
    foreach ($keys['valid'] as $key) {
        new Service('http://127.0.0.1:8100', $key);
    }
    foreach ($keys['invalid'] as $key) {
        $error = raises(ConfigurationError::class, static fn () => new Service('http://127.0.0.1:8100', $key));
        same(false, $key !== '' && str_contains((string) $error, $key), 'a key in a message');
    }
}

function test_vectors_merges(): void
{
    if (!getenv('SOJOURN_SERVICE')) {
        throw new Skipped('give SOJOURN_SERVICE and SOJOURN_KEY');
    }
    $service = new Service(getenv('SOJOURN_SERVICE'), getenv('SOJOURN_KEY'));
    $cookie = new Cookie('__Host-session');
    $exchange = static fn (?string $token): Exchange => new Exchange($service, $cookie, $token, ['ip' => null], false);
    foreach (vectors('merges')['cases'] as $case) {
        $with = static fn (string $side): array => ['other' => 1]
            + (array_key_exists($side, $case) ? ['k' => $case[$side]] : []);
        $begin = $exchange(null);
        $begin->commit($with('base'));
        [$mine, $theirs] = [$exchange($begin->token()), $exchange($begin->token())];
        $theirs->commit($with('theirs'));
        $mine->commit($with('mine'));
        $found = $exchange($begin->token())->data();
        ksort($found);
        $expected = $with('merged');
        ksort($expected);
        same(ordered($expected), ordered($found), $case['why']);
    }
}

/** With each object's keys in one order, as that says nothing. */
function ordered(mixed $value): mixed
{
    if (is_array($value)) {
        $value = array_map(ordered(...), $value);
        array_is_list($value) || ksort($value);
    }
    return $value;
}
