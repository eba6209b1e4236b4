<?php

declare(strict_types=1);

namespace Sojourn;

/** The session service, `sojourn serve`, as a back end uses it: one trip to open a session, one to commit it. */
final class Service
{
    private const KEY = '/^sjk1-[0-9a-f]{8}-[0-9a-f]{64}$/D';
    private const JSON = JSON_THROW_ON_ERROR | JSON_PRESERVE_ZERO_FRACTION
        | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;

    private readonly string $url;
    private readonly string $prefix;
    private readonly string $host;
    private readonly string $authorization;
    private readonly Connection $connection;

    /**
     * @param string $url where it listens: `http://127.0.0.1:8100`, `https://…` or `unix:/run/sojourn.sock`
     * @param string $key an API key of the scope `sessions`, from `sojourn keys make`
     * @param float $timeout how long an answer may take, in seconds
     * @param bool $dangerouslyAllowPlainHttp let key and tokens cross a network readably, on http:// to another machine
     */
    public function __construct(
        string $url,
        #[\SensitiveParameter] string $key,
        float $timeout = 2.0,
        bool $dangerouslyAllowPlainHttp = false,
    ) {
        if (preg_match(self::KEY, $key) !== 1) {
            $what = match (true) {
                $key === '' => 'there is none',
                str_starts_with($key, 'sj1-') => "this is a session's token",
                default => 'this is none',
            };
            throw new ConfigurationError(
                "key: give the service's API key, sjk1-… ($what). `sojourn keys make` makes one."
            );
        }
        if (!($timeout >= 0.001 && $timeout <= 60)) {
            throw new ConfigurationError('timeout: give seconds, from 0.001 to 60.');
        }
        $this->url = $url;
        [$address, $this->host, $this->prefix] = self::parse($url);
        if (!$dangerouslyAllowPlainHttp && str_starts_with($address, 'tcp:') && !self::isHere($address)) {
            throw new ConfigurationError(
                "service: $url is another machine, and on http:// everybody between the two can read the API key and all "
                . 'tokens. Give https://…, with a proxy in front of the service, or say dangerouslyAllowPlainHttp: true.'
            );
        }
        $this->authorization = "Bearer $key";
        $this->connection = new Connection($address, $timeout);
    }

    /**
     * What a token opens: by the time of `$openedAt`, when this request opened it first. Not sent twice with a proof, as
     * that is good once.
     *
     * @throws SojournException
     */
    public function open(#[\SensitiveParameter] string $token, ?int $openedAt = null, ?VisitorKey $key = null): Answer
    {
        $isRepeatable = $key === null || !$key->isShown();
        return $this->post('/v1/open', ['token' => $token, 'opened_at' => $openedAt], $key, $isRepeatable);
    }

    /**
     * Write what a request did. Never sent twice: who knows what became of the first?
     *
     * @param array<string, mixed> $wanted the body, as the service's description has it
     * @throws SojournException
     */
    public function commit(#[\SensitiveParameter] array $wanted, ?VisitorKey $key = null): Answer
    {
        return $this->post('/v1/commit', $wanted, $key, false);
    }

    /** @param array<string, mixed> $asked */
    private function post(string $path, #[\SensitiveParameter] array $asked, ?VisitorKey $key, bool $repeatable): Answer
    {
        $body = json_encode($asked + ($key?->shown() ?? []), self::JSON);
        $head = [
            "POST $this->prefix$path HTTP/1.1",
            "Host: $this->host",
            "Authorization: $this->authorization",
            'Content-Type: application/json',
            'Content-Length: ' . strlen($body),
        ];
        [$status, $json] = $this->connection->ask(implode("\r\n", $head) . "\r\n\r\n" . $body, $repeatable);
        $told = json_decode($json, true);
        if ($status === 200 && is_array($told) && isset($told['status'], $told['now'])) {
            $answer = new Answer($told, $json);
            $key?->heard($answer);
            return $answer;
        }
        $refusal = Refusal::of($status, $json, strlen($body), $this->url);
        if ($refusal instanceof ProofRefused) {
            $key?->refused($refusal);
        }
        throw $refusal;
    }

    /** @return array{string, string, string} the address to connect to, the Host header, and the path before `/v1` */
    private static function parse(string $url): array
    {
        if (preg_match('~^unix:(?://)?(/.+)$~D', $url, $match) === 1) {
            return ["unix://$match[1]", 'localhost', ''];
        }
        $pattern = '~^(https?)://(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?(/[\x21-\x7e]*)?$~D';
        if (preg_match($pattern, $url, $match) !== 1 || strpbrk($match[4] ?? '', '?#') !== false) {
            throw new ConfigurationError(
                "service: give the service's address, such as 'http://127.0.0.1:8100' or 'unix:/run/sojourn.sock'."
            );
        }
        [, $scheme, $host, $port] = $match + [3 => ''];
        $address = ($scheme === 'https' ? 'tls' : 'tcp') . "://$host:" . ($port ?: ($scheme === 'https' ? 443 : 80));
        return [$address, $port === '' ? $host : "$host:$port", rtrim($match[4] ?? '', '/')];
    }

    /** Whether an address is this machine's own. */
    private static function isHere(string $address): bool
    {
        return preg_match('~^tcp://(?:(?:[a-z0-9-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\]):~i', $address) === 1;
    }

    /** @return array<string, mixed> what var_dump may show: no key */
    public function __debugInfo(): array
    {
        return ['url' => $this->url];
    }
}
