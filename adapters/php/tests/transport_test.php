<?php

declare(strict_types=1);

use Sojourn\AmbiguousToken;
use Sojourn\Bearer;
use Sojourn\BearerNotEnabled;
use Sojourn\ConfigurationError;
use Sojourn\Cookie;
use Sojourn\Origin;
use Sojourn\Problem;
use Sojourn\ProofRefused;
use Sojourn\Request;
use Sojourn\Transport;

/** What `$look` finds in a request of which PHP says this. */
function during(array $server, Closure $look): mixed
{
    $before = $_SERVER;
    $_SERVER = $server + $before;
    try {
        return $look();
    } finally {
        $_SERVER = $before;
    }
}

function token(string $digit = 'a'): string
{
    return 'sj1-' . str_repeat($digit, 32) . '-' . str_repeat('b', 64);
}

function test_a_request_is_a_scripts_by_what_no_form_sends(): void
{
    $bearer = ['HTTP_AUTHORIZATION' => 'Bearer ' . token()];
    $dpop = ['HTTP_AUTHORIZATION' => 'DPoP ' . token()];
    foreach ([
        [$bearer, true, true],
        [$dpop, false, true],
        [['HTTP_SOJOURN_TRANSPORT' => 'bearer'], true, true],
        // Where Apache has rewritten the URL.
        [['HTTP_AUTHORIZATION' => '', 'REDIRECT_HTTP_AUTHORIZATION' => 'Bearer ' . token()], true, true],
        // Another's is none of our business.
        [['HTTP_AUTHORIZATION' => 'Bearer eyJhbGciOi'], false, false],
        [['HTTP_AUTHORIZATION' => 'Basic c2o6MQ=='], false, false],
        [['HTTP_AUTHORIZATION' => ' Bearer ' . token()], false, false],
        [['HTTP_COOKIE' => '__Host-session=' . token()], false, false],
        [[], false, false],
    ] as $number => [$server, $unbound, $bound]) {
        foreach ([[null, $unbound], ['https://app.example.com', $bound]] as [$origin, $expected]) {
            $transport = new Transport('__Host-session', true, $origin);
            same($expected, during($server, $transport->isBearer(...)), "request $number");
            $carrier = during($server, $transport->carrier(...));
            same($expected ? Bearer::class : Cookie::class, $carrier::class, "request $number");
        }
    }
}

function test_a_token_is_read_from_authorization_alone_and_has_a_tokens_shape(): void
{
    $server = ['HTTP_SOJOURN_TRANSPORT' => 'bearer', 'HTTP_COOKIE' => '__Host-session=' . token('c')];
    $read = static fn (string $authorization): array => during(
        $server + ['HTTP_AUTHORIZATION' => $authorization],
        static fn () => (new Transport('__Host-session', true, null))->carrier()->read(),
    );
    same([token()], $read('Bearer ' . token()));
    same([token()], $read('DPoP ' . token()));
    same([token()], $read('bearer  ' . token()));
    $twice = 'Bearer ' . token() . ', Bearer ' . token('c');
    foreach (['', 'Bearer', 'Bearer' . token(), 'Basic ' . token(), $twice] as $wrong) {
        same([], $read($wrong), $wrong);
    }
}

function test_a_scripts_token_is_refused_where_there_may_be_none_and_beside_a_cookies(): void
{
    $script = ['HTTP_AUTHORIZATION' => 'Bearer ' . token()];
    $check = static fn (bool $isReadable): Closure => (new Transport('__Host-session', $isReadable, null))->check(...);
    $both = $script + ['HTTP_COOKIE' => '__Host-session=' . token('c')];
    foreach ([
        [BearerNotEnabled::class, 'bearer-not-enabled', $script, false],
        [BearerNotEnabled::class, 'bearer-not-enabled', $both, false],
        [AmbiguousToken::class, 'ambiguous-token', $both, true],
    ] as [$class, $code, $server, $isReadable]) {
        $problem = Problem::of(raises($class, static fn () => during($server, $check($isReadable))));
        same([400, $code], [$problem->status, $problem->code]);
    }
    during($script, $check(true));
    during($both + ['HTTP_SOJOURN_TRANSPORT' => 'bearer'], $check(true));
    during(['HTTP_COOKIE' => '__Host-session=' . token()], $check(false));
}

function test_a_proof_is_handed_on_with_the_url_that_the_browser_asked_for(): void
{
    foreach ([
        '/notes/1' => '/notes/1',
        '/notes/1?page=2' => '/notes/1',
        '/notes/%C3%A4' => '/notes/%C3%A4',
        "/notes/\xc3\xa4 \xff" => '/notes/%C3%A4%20%FF',
        '//notes' => '//notes',
        // A proxy may send the whole URL, and a program none.
        'http://inner.example:8080/notes/1?x=http://a/b' => '/notes/1',
        'http://inner.example' => '/',
        '*' => '/',
        '' => '/',
    ] as $uri => $path) {
        $server = ['REQUEST_URI' => $uri, 'REQUEST_METHOD' => 'PUT', 'HTTP_DPOP' => "pro\xfff"];
        foreach (['DPoP' => true, 'Bearer' => false] as $scheme => $isDpop) {
            $transport = new Transport('__Host-session', true, 'https://app.example.com');
            $carrier = during($server + ['HTTP_AUTHORIZATION' => "$scheme " . token()], $transport->carrier(...));
            $url = "https://app.example.com$path";
            $presented = ['method' => 'PUT', 'url' => $url, 'proof' => 'pro?f', 'dpop' => $isDpop];
            same(['presented' => $presented], $carrier->key()->shown(), (string) $uri);
        }
    }
}

function test_what_is_printed_of_a_scripts_request_tells_no_token_and_no_proof(): void
{
    $server = ['HTTP_AUTHORIZATION' => 'DPoP ' . token(), 'HTTP_DPOP' => 'the-proof'];
    $carrier = during($server, (new Transport('__Host-session', true, 'https://app.example.com'))->carrier(...));
    $printed = print_r($carrier, true) . print_r($carrier->key(), true);
    same([false, false], [str_contains($printed, token()), str_contains($printed, 'the-proof')]);
}

function test_without_a_proof_or_a_public_origin_or_a_script_there_is_none_to_hand_on(): void
{
    $script = ['HTTP_SOJOURN_TRANSPORT' => 'bearer'];
    $bound = new Transport('__Host-session', true, 'https://app.example.com');
    $unbound = new Transport('__Host-session', true, null);
    $key = during($script, $bound->carrier(...))->key();
    same([null, false], [$key->shown()['presented']['proof'], $key->isShown()]);
    same(null, during($script, $unbound->carrier(...))->key());
    same([], during([], $bound->carrier(...))->key()->shown());
}

function test_a_path_is_what_was_asked_for_wherever_a_proxy_puts_it(): void
{
    same('/auth/callback', during(['REQUEST_URI' => 'http://inner.example/auth/callback?x'], Request::path(...)));
}

function test_a_public_origin_is_one_that_browsers_have(): void
{
    foreach (vectors('origins')['valid'] as $origin) {
        Origin::checkPublic($origin);
    }
    foreach ([...vectors('origins')['invalid'], 'capacitor://localhost'] as $origin) {
        raises(ConfigurationError::class, static fn () => Origin::checkPublic($origin));
    }
}

function test_a_refused_proof_says_what_to_do(): void
{
    foreach ([
        ['proof-required', null, 'invalid_dpop_proof', 'none'],
        ['proof-other-key', null, 'invalid_dpop_proof', 'none'],
        ['proof-url', null, 'invalid_dpop_proof', null],
        ['proof-stale-nonce', '17-x', 'use_dpop_nonce', null],
    ] as [$flaw, $nonce, $told, $token]) {
        $error = new ProofRefused('', $flaw, '', $nonce);
        $challenge = $error->challenge() + ['DPoP-Nonce' => null, 'Sojourn-Token' => null];
        same("DPoP error=\"$told\", algs=\"ES256\"", $challenge['WWW-Authenticate'], $flaw);
        same([$nonce, $token], [$challenge['DPoP-Nonce'], $challenge['Sojourn-Token']], $flaw);
        same($nonce, json_decode(Problem::of($error)->body(), true)['nonce'] ?? null, $flaw);
    }
}
