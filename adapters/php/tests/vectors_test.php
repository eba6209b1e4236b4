<?php

declare(strict_types=1);

use Sojourn\ConfigurationError;
use Sojourn\Cookie;
use Sojourn\CookieVariants;
use Sojourn\DataTooLarge;
use Sojourn\DeviceKey;
use Sojourn\Exchange;
use Sojourn\InvalidData;
use Sojourn\Origin;
use Sojourn\Problem;
use Sojourn\ProofRefused;
use Sojourn\ReauthenticationRequired;
use Sojourn\Refusal;
use Sojourn\Service;
use Sojourn\ServiceUnavailable;
use Sojourn\SessionConflict;
use Sojourn\SessionEnded;
use Sojourn\SessionLimitReached;
use Sojourn\SessionRefused;
use Sojourn\SojournException;
use Sojourn\StepUp;
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
        // Web servers hand several headers to PHP as one.
        same($case['tokens'], (new Cookie($case['name']))->find(implode('; ', $case['headers'])), $case['why']);
    }
}

function test_vectors_cookies_forgotten(): void
{
    foreach (vectors('cookies')['clearing'] as $case) {
        same($case['lines'], CookieVariants::clearing($case['name'], $case['host'], $case['path']), $case['why']);
    }
}

function test_vectors_devices(): void
{
    $server = static fn (array $headers): array => array_combine(
        array_map(static fn (string $name): string => 'HTTP_' . strtoupper(strtr($name, '-', '_')), array_keys($headers)),
        $headers,
    );
    foreach (vectors('devices')['shown'] as $case) {
        $asked = isset($case['target']) ? ['REQUEST_METHOD' => $case['method'], 'REQUEST_URI' => $case['target']] : [];
        $shown = during($server($case['headers']) + $asked, (new DeviceKey($case['cookie'] ?? '__Host-session'))->shown(...));
        same($case['device'] === null ? [] : ['device' => $case['device']], $shown, $case['why']);
    }
    foreach (vectors('devices')['refused'] as $case) {
        $refusal = new ProofRefused('', $case['code'], '');
        during($server($case['headers']), static fn () => (new DeviceKey('__Host-session'))->refused($refusal));
        $told = $refusal->challenge();
        $isForgotten = str_starts_with($told['Set-Cookie'][0] ?? '', '__Host-session=; Max-Age=0; ');
        same($case['told'] === 'forget', $isForgotten, $case['why']);
        same($case['told'] === 'again', ($told['Refresh'] ?? null) === '0', $case['why']);
        same($case['told'] === 'nothing' ? 0 : 1, count($told), $case['why']);
    }
}

function test_vectors_problems(): void
{
    $classes = [
        'session-ended' => SessionEnded::class,
        'reauthentication-required' => ReauthenticationRequired::class,
        'session-conflict' => SessionConflict::class,
        'session-limit' => SessionLimitReached::class,
        'session-refused' => SessionRefused::class,
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
    foreach (['session-conflict', 'session-limit', 'session-refused', 'data-too-large', 'body-too-large'] as $code) {
        foreach ([[], ['keys' => 'a', 'size' => '3', 'limit' => 2.5, 'retry_after' => '7']] as $members) {
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

function test_vectors_step_up(): void
{
    foreach (vectors('step_up')['cases'] as $case) {
        $asked = $case['asked'] + ['within' => null, 'level' => null];
        $told = null;
        try {
            $user = StepUp::check($case['user_id'], $case['ago'], $case['proved'], ...$asked, endReason: $case['end_reason']);
            same($case['user_id'], $user, $case['why']);
        } catch (SojournException $error) {
            $problem = Problem::of($error);
            same(401, $problem->status, $case['why']);
            $told = ['code' => $problem->code] + $problem->members;
        }
        same($case['problem'], $told, $case['why']);
    }
}

function test_vectors_step_up_log_ins(): void
{
    $methods = vectors('step_up')['methods'];
    $levels = vectors('step_up')['levels'];
    foreach ($levels['valid'] as $level) {
        StepUp::checkLogin($level, [], null);
    }
    foreach ($methods['valid'] as $names) {
        StepUp::checkLogin(null, $names, null);
    }
    foreach ($levels['invalid'] as $level) {
        raises(ConfigurationError::class, static fn () => StepUp::checkLogin($level, [], null));
    }
    foreach ($methods['invalid'] as $names) {
        raises(ConfigurationError::class, static fn () => StepUp::checkLogin(null, $names, null));
    }
}

function test_vectors_origins(): void
{
    foreach (vectors('origins')['valid'] as $origin) {
        Origin::check([], [$origin]);
    }
    foreach (vectors('origins')['invalid'] as $origin) {
        raises(ConfigurationError::class, static fn () => Origin::check([], [$origin]));
    }
}

function test_vectors_merges(): void
{
    if (!getenv('SOJOURN_SERVICE')) {
        throw new Skipped('give SOJOURN_SERVICE and SOJOURN_KEY');
    }
    $service = new Service(getenv('SOJOURN_SERVICE'), getenv('SOJOURN_KEY'));
    $cookie = new Cookie('__Host-session');
    $exchange = static fn (?string ...$tokens): Exchange
        => Exchange::open($service, $cookie, array_filter($tokens), ['ip' => null], false);
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

function test_vectors_ends(): void
{
    if (!getenv('SOJOURN_SERVICE')) {
        throw new Skipped('give SOJOURN_SERVICE and SOJOURN_KEY');
    }
    $service = new Service(getenv('SOJOURN_SERVICE'), getenv('SOJOURN_KEY'));
    $open = static fn (?string $token): Exchange =>
        Exchange::open($service, new Cookie('__Host-session'), $token === null ? [] : [$token], ['ip' => null], false);
    foreach (vectors('ends')['cases'] as $case) {
        $begin = $open(null);
        $values = ['kept' => 1];
        $begin->login('ada', false, $values);
        $begin->commit($values);
        $token = (string) $begin->token();
        if ($case['before'] === 'ended') {
            act($open($token), 'logout');
        }
        $shown = $case['before'] === 'none' ? substr($token, 0, -64) . str_repeat('0', 64) : $token;
        $exchange = $open($shown);
        if ($case['meanwhile'] !== null) {
            act($open($token), $case['meanwhile']);
        }
        if ($case['result'] === 'refused') {
            $error = raises(SessionEnded::class, static fn () => act($exchange, $case['does']));
            same($case['end_reason'], $error->reason, $case['why']);
        } else {
            act($exchange, $case['does']);
        }
        $has = $exchange->token();
        same($case['cookie'], $has === null ? 'cleared' : ($has === $shown ? 'nothing' : 'new'), $case['why']);
        $found = $open($has);
        $session = $found->id() === null ? null : ['user_id' => $found->userId(), 'data' => $found->data()];
        same(ordered($case['session']), ordered($session), $case['why']);
    }
}

/** What a request does, and its commit. */
function act(Exchange $exchange, string $what): void
{
    $values = $exchange->data();
    match ($what) {
        'change' => $values['a'] = 1,
        'increment' => $exchange->increment('a', 1, $values),
        'regenerate' => $exchange->regenerate(),
        'login' => $exchange->login('ada', false, $values),
        'logout' => $exchange->logout($values),
    };
    $exchange->commit($values);
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
