<?php

declare(strict_types=1);

use Sojourn\Data;
use Sojourn\InvalidData;

/** What is sent to the service of a session that held this JSON, as JSON again. */
function sent(string $loaded, Closure $change): string
{
    $values = json_decode($loaded, true);
    $change($values);
    $changes = Data::changes(json_decode($loaded, true), static fn (): array => (array) json_decode($loaded), $values);
    return json_encode(Data::object($changes), JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION);
}

function test_what_is_as_it_was_is_not_sent(): void
{
    foreach (['{}', '{"a":1,"b":{"c":[]},"d":{},"e":1.0,"5":"five","f":null}', '{"0":1}'] as $loaded) {
        same('{}', sent($loaded, static fn (array &$values) => $values), $loaded);
    }
}

function test_a_change_carries_what_was_loaded_and_what_is_to_be(): void
{
    $change = static function (array &$values): void {
        $values['a']++;
        $values['b']['c'][] = 'x';
        unset($values['d']);
        $values['new'] = null;
        $values[7] = true;
    };
    $expected = '{"a":{"base":1,"value":2},"b":{"base":{"c":[]},"value":{"c":["x"]}},"new":{"value":null},'
        . '"7":{"value":true},"d":{"base":{}}}';
    same($expected, sent('{"a":1,"b":{"c":[]},"d":{},"e":"untouched"}', $change));
}

function test_an_order_of_types_is_kept(): void
{
    same('{"n":{"base":1,"value":1.0}}', sent('{"n":1}', static fn (array &$values) => $values['n'] = 1.0));
    same('{"n":{"base":0,"value":false}}', sent('{"n":0}', static fn (array &$values) => $values['n'] = false));
    same('{"n":{"base":null,"value":""}}', sent('{"n":null}', static fn (array &$values) => $values['n'] = ''));
}

function test_an_empty_array_stays_what_was_loaded(): void
{
    $touch = static fn (array &$values) => $values['a']['n'] = 1;
    same('{"a":{"base":{"o":{},"l":[]},"value":{"o":{},"l":[],"n":1}}}', sent('{"a":{"o":{},"l":[]}}', $touch));
    $clear = static fn (array &$values) => $values['a'] = [];
    same('{"a":{"base":{"x":1},"value":{}}}', sent('{"a":{"x":1}}', $clear));
    same('{"a":{"base":["x"],"value":[]}}', sent('{"a":["x"]}', $clear));
    same('{"a":{"base":1,"value":[]}}', sent('{"a":1}', $clear));
    same('{"a":{"value":[]}}', sent('{}', $clear));
}

function test_numbered_keys_stay_an_object_where_one_was_loaded(): void
{
    $add = static fn (array &$values) => $values['a'][1] = 'y';
    same('{"a":{"base":{"0":"x"},"value":{"0":"x","1":"y"}}}', sent('{"a":{"0":"x"}}', $add));
    same('{"a":{"base":["x"],"value":["x","y"]}}', sent('{"a":["x"]}', $add));
    $replace = static fn (array &$values) => $values['a'] = ['x', 'y'];
    same('{"a":{"base":{"named":1},"value":["x","y"]}}', sent('{"a":{"named":1}}', $replace));
    $number = static fn (array &$values) => $values['a'] = [17 => 2, 42 => 1];
    same('{"a":{"value":{"17":2,"42":1}}}', sent('{}', $number));
}

function test_keys_that_count_from_zero_are_no_list_of_changes(): void
{
    same('{"0":{"value":"a"},"1":{"value":"b"}}', sent('{}', static fn (array &$values) => $values = ['a', 'b']));
}

function test_what_json_cannot_hold_is_named(): void
{
    $circle = [];
    $circle['self'] = &$circle;
    $deep = json_decode(str_repeat('[', 33) . str_repeat(']', 33));
    $cases = [
        '$_SESSION[\'k\'] holds an object of ArrayObject' => new ArrayObject(),
        '$_SESSION[\'k\'][\'a\'][2] holds an object of DateTimeImmutable. Use its ->format(DATE_ATOM)' => [
            'a' => [1, 2, new DateTimeImmutable()],
        ],
        '$_SESSION[\'k\'] holds an object of class@anonymous' => new class () {
        },
        '$_SESSION[\'k\'] holds an object of Closure' => static fn (): int => 1,
        '$_SESSION[\'k\'] holds an object of stdClass. Use an array' => new stdClass(),
        '$_SESSION[\'k\'] holds a resource (stream)' => fopen('php://memory', 'r'),
        '$_SESSION[\'k\'] holds a number that is not finite' => NAN,
        '$_SESSION[\'k\'][0] holds a number that is not finite' => [INF],
        '$_SESSION[\'k\'] holds text that is not UTF-8' => "\xff",
        'A key of $_SESSION[\'k\'] holds text that is not UTF-8' => ["\xff" => 1],
        '$_SESSION[\'k\'] holds an integer beyond' => 2 ** 53,
        'holds more than 32 levels' => $deep,
        "['self']['self'] holds more than 32 levels" => $circle,
    ];
    foreach ($cases as $message => $value) {
        $send = static fn (): array => Data::changes([], static fn (): array => [], ['k' => $value]);
        $error = raises(InvalidData::class, $send);
        same(true, str_contains($error->getMessage(), $message), $error->getMessage());
        same(1, preg_match('//u', $error->getMessage()), 'a message in UTF-8');
    }
    raises(InvalidData::class, static fn () => Data::changes([], static fn (): array => [], ["\xff" => 1]));
}

function test_the_largest_that_fits_is_kept(): void
{
    $values = [
        'integers' => [2 ** 53 - 1, -2 ** 53 + 1],
        'floats' => [0.1, 1e300, -0.0, 5e-324, 1.0],
        'deep' => json_decode(str_repeat('[', 32) . str_repeat(']', 32)),
        'text' => "\0 é \u{1F6D2} </script>",
    ];
    $json = json_encode(
        array_map(
            static fn (array $change): mixed => $change['value'],
            Data::changes([], static fn (): array => [], $values),
        ),
        JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION,
    );
    same(serialize($values), serialize(json_decode($json, true)));
}
