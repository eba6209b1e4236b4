<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * What one request does with its session: one open, and a commit if there is something to write.
 *
 * @internal
 */
final class Exchange
{
    /** What the service said last of the session that the token opens. */
    private string $status;
    private ?int $openedAt = null;
    /** @var array<mixed> the data as this request loaded it, or wrote it last */
    private array $loaded = [];
    /** @var null|Answer|array<mixed> the same as shapes, or what they are made of once they are needed */
    private null|Answer|array $shapes = null;
    /** @var array<array{int, int}> for each counted key, what was added and the sum that it made */
    private array $counters = [];
    /** @var ?array<string, mixed> */
    private ?array $action = null;
    /** @var list<string> the keys of grants that this request used up */
    private array $used = [];
    private bool $due = false;
    private bool $over = false;
    /** The nonce for the proof of its key that the session owes. */
    private ?string $owed;

    /**
     * @param ?Answer $answer to the token
     * @param list<string> $others tokens of live sessions, of which none counts; a log-in and a log-out ends them
     * @param array<string, ?string> $client what is kept of the browser with a session that begins
     */
    private function __construct(
        private readonly Service $service,
        private readonly Carrier $carrier,
        #[\SensitiveParameter] private ?string $token,
        private ?Answer $answer,
        #[\SensitiveParameter] private array $others,
        private readonly array $client,
        private readonly bool $passive,
    ) {
        $this->shapes = $answer;
        $this->status = $answer?->status() ?? 'none';
        $this->openedAt = $answer?->now();
        $this->loaded = $answer?->data() ?? [];
        $this->due = $answer?->isCommitDue() && !$passive;
        $this->owed = $answer?->owed();
    }

    /**
     * Open what the browser shows; where it shows several that are live, it is told to forget them all.
     *
     * @param list<string> $tokens
     * @param array<string, ?string> $client
     * @param ?int $openedAt when this request opened the session first, where it did before
     * @param list<string> $others what it found then, and counted none of
     */
    public static function open(
        Service $service,
        Carrier $carrier,
        #[\SensitiveParameter] array $tokens,
        array $client,
        bool $passive,
        ?int $openedAt = null,
        #[\SensitiveParameter] array $others = [],
    ): self {
        $rivals = Rivals::open($service, $tokens, $openedAt, $carrier->key());
        if ($rivals->isContested) {
            $carrier->forget();
            return new self($service, $carrier, null, null, $rivals->live, $client, $passive);
        }
        return new self($service, $carrier, $rivals->token, $rivals->answer, $others, $client, $passive);
    }

    /** @return array<mixed> */
    public function data(): array
    {
        return $this->loaded;
    }

    /** The session's public id; null before its first commit. */
    public function id(): ?string
    {
        return $this->answer?->session('id');
    }

    /** When this request opened the session, by the service's clock; null where it did not. */
    public function openedAt(): ?int
    {
        return $this->openedAt;
    }

    /** The token that opens this session, if the browser has one. */
    public function token(): ?string
    {
        return $this->token;
    }

    /** @return list<string> the tokens that the browser has, where none counts */
    public function others(): array
    {
        return $this->others;
    }

    public function userId(): ?string
    {
        return $this->action['user_id'] ?? $this->answer?->session('user_id');
    }

    public function authenticatedAt(): ?\DateTimeImmutable
    {
        $at = $this->answer?->session('authenticated_at');
        $at = $this->isLogin() ? (int) (microtime(true) * 1000) : $at;
        return $at === null ? null : new \DateTimeImmutable(sprintf('@%d.%03d', intdiv($at, 1000), $at % 1000));
    }

    /** The level that the log-in proved, or null. */
    public function level(): ?string
    {
        return $this->isLogin() ? $this->action['level'] ?? null : $this->answer?->session('level');
    }

    /** @return list<string> what the log-in proved */
    public function methods(): array
    {
        return $this->isLogin() ? $this->action['methods'] ?? [] : $this->answer?->session('methods') ?? [];
    }

    /**
     * @param null|int|float $within in seconds
     * @throws LoginRequired
     * @throws ReauthenticationRequired
     */
    public function requireLogin(null|int|float $within, ?string $level): string
    {
        $at = $this->answer?->session('authenticated_at');
        $since = $this->isLogin() ? 0 : ($at === null ? null : $this->openedAt - $at);
        $owed = $this->isLogin() ? null : $this->owed;
        return StepUp::check($this->userId(), $since, $this->level(), $within, $level, $this->endReason(), $owed);
    }

    public function endReason(): ?string
    {
        return $this->answer?->endReason();
    }

    /**
     * @param array<mixed> $values what this request has in its session; emptied where another user was logged in
     * @param list<string> $methods
     * @param ?array<int|string> $keep the keys that come along; null for all
     */
    public function login(
        string $userId,
        bool $remember,
        array &$values,
        ?string $level = null,
        array $methods = [],
        ?array $keep = null,
    ): void {
        StepUp::checkLogin($level, $methods, $keep);
        if (preg_match('/^.{1,255}$/usD', $userId) !== 1) {
            throw new ConfigurationError('login($userId) needs text of 1 to 255 characters: (string) $user->id, say.');
        }
        if (($this->action['type'] ?? '') === 'logout') {
            // One trip has room for one of them, and what was logged out must not come along.
            $this->commit([]);
        } elseif (!in_array($this->userId(), [null, $userId], true)) {
            $this->empty($values);
        }
        $values = $keep === null ? $values : array_intersect_key($values, array_flip($keep));
        $this->action = [
            'type' => 'login',
            'user_id' => $userId,
            'remember' => $remember,
            'level' => $level,
            'methods' => array_values($methods),
            'keep' => $keep === null ? null : array_map('strval', array_values($keep)),
        ];
    }

    /** @param array<mixed> $values */
    public function grantOnce(string $action, int|float $within, array &$values): void
    {
        $now = $this->openedAt ?? (int) (microtime(true) * 1000);
        $values[StepUp::grantKey($action)] = $now + (int) ($within * 1000);
    }

    /**
     * @param array<mixed> $values
     * @throws ReauthenticationRequired
     */
    public function useGrant(string $action, array &$values): void
    {
        $key = StepUp::grantKey($action);
        // After a commit that was refused, nothing is written any more.
        StepUp::checkGrant($action, $this->over ? null : $values[$key] ?? null, $this->openedAt);
        unset($values[$key]);
        // One that was given in this very request is nobody else's.
        $this->used = array_key_exists($key, $this->loaded) ? [$key] : [];
        $this->commit($values);
    }

    /** @param array<mixed> $values */
    public function logout(array &$values): void
    {
        $this->empty($values);
        $this->action = ['type' => 'logout'];
        $this->answer = null;
    }

    public function regenerate(): void
    {
        if ($this->answer?->isActive()) {
            $this->action ??= ['type' => 'regenerate'];
        }
    }

    private function isLogin(): bool
    {
        return ($this->action['type'] ?? '') === 'login';
    }

    /** Forget what was asked for: the request's changes are not wanted. */
    public function abort(): void
    {
        $this->action = null;
        $this->counters = $this->used = [];
    }

    /** @param array<mixed> $values */
    public function increment(int|string $key, int $by, array &$values): int
    {
        $before = $values[$key] ?? 0;
        $sum = is_int($before) ? $before + $by : null;
        if (!is_int($sum) || abs($sum) > 2 ** 53 - 1) {
            throw new InvalidData("increment('$key') needs integers, and a sum within ±(2**53 - 1).");
        }
        [$added, $counted] = $this->counters[$key] ?? [0, $this->loaded[$key] ?? 0];
        // What was set before is a change, not a count.
        if ($counted === $before) {
            $this->counters[$key] = [$added + $by, $sum];
        }
        return $values[$key] = $sum;
    }

    /**
     * Write what differs from what was loaded, and what was asked for besides; nothing where nothing is due.
     *
     * @param array<mixed> $values
     * @throws SojournException
     */
    public function commit(array $values): void
    {
        if ($this->over) {
            return;
        }
        // What is refused is not tried again at the end of the request.
        $this->over = true;
        $this->write($values);
        $this->over = false;
    }

    /** @param array<mixed> $values */
    private function write(array $values): void
    {
        $isCount = fn (array $counter, int|string $key): bool => ($values[$key] ?? null) === $counter[1];
        $counters = array_filter($this->counters, $isCount, ARRAY_FILTER_USE_BOTH);
        $changes = Data::changes(
            array_diff_key($this->loaded, $counters),
            $this->shapes(...),
            array_diff_key($values, $counters),
        );
        if ($changes === [] && $counters === [] && $this->action === null && !$this->due) {
            return;
        }
        if ($this->isLogin()) {
            $changes += $this->untouched($counters);
        }
        if ($changes !== [] || $counters !== []) {
            $this->shapes();
        }
        if (in_array($this->action['type'] ?? null, ['login', 'logout'], true)) {
            $this->endOthers();
        }
        $wanted = $this->wanted($changes, array_map(static fn (array $counter): int => $counter[0], $counters));
        $answer = $wanted === null ? null : $this->service->commit($wanted, $this->carrier->key());
        $this->settle($answer, $changes, $counters, $values);
    }

    /** Whoever logs in or out means all that the browser shows: none of it may be left to come back. */
    private function endOthers(): void
    {
        while ($this->others !== []) {
            $logout = ['token' => $this->others[0], 'status' => 'active', 'action' => ['type' => 'logout']];
            $this->service->commit($logout, $this->carrier->key());
            array_shift($this->others);
        }
    }

    /**
     * What was loaded, as changes that change nothing: a log-in takes it along where another log-in was quicker.
     *
     * @param array<mixed> $besides
     * @return array<array{base: mixed, value: mixed}>
     */
    private function untouched(array $besides): array
    {
        $keep = static fn (mixed $shape): array => ['base' => $shape, 'value' => $shape];
        return array_map($keep, array_diff_key($this->shapes(), $besides));
    }

    /**
     * @param array<array{base?: mixed, value?: mixed}> $changes
     * @param array<int> $increments
     * @return ?array<string, mixed> null where there is nothing that the service need know
     */
    private function wanted(array $changes, array $increments): ?array
    {
        $begins = in_array($this->action['type'] ?? null, ['login', 'regenerate'], true)
            || (!$this->answer?->isActive() && ($changes !== [] || $increments !== []));
        if ($this->token === null && !$begins) {
            return null;
        }
        if ($begins && headers_sent($file, $line)) {
            $where = $file === '' ? '' : " at $file:$line";
            throw new SessionCommitted(
                "The response has started$where, so the browser cannot be told of a new session. Begin, log in "
                . 'or regenerate before the first byte.'
            );
        }
        return array_filter([
            'token' => $this->token,
            'status' => $this->token === null ? null : $this->status,
            'client' => $begins ? $this->client : null,
            'passive' => $this->passive,
            'opened_at' => $this->openedAt,
            'changes' => $changes === [] ? null : Data::object($changes),
            'increments' => $increments === [] ? null : Data::object($increments),
            'used' => $this->used === [] ? null : $this->used,
            'action' => $this->action,
        ], static fn (mixed $value): bool => $value !== null);
    }

    /**
     * @param array<array{base?: mixed, value?: mixed}> $changes
     * @param array<array{int, int}> $counters
     * @param array<mixed> $values
     */
    private function settle(?Answer $answer, array $changes, array $counters, array $values): void
    {
        $new = $answer?->token();
        if ($answer !== null) {
            $answer->check($new ?? (string) $this->token);
            $this->carrier->tell($answer);
        }
        // A renewed secret of the same session is the browser's to show first: shown from here, it would retire the one
        // that the browser may go on with if this answer is lost.
        if (!$answer?->isActive()) {
            $this->token = null;
        } elseif ($new !== null && ($this->token === null || Token::id($new) !== Token::id($this->token))) {
            $this->token = $new;
        }
        if (is_array($this->shapes)) {
            $kept = array_diff_key($this->shapes, $changes, $counters);
            $set = array_filter($changes, static fn (array $change): bool => array_key_exists('value', $change));
            $counted = array_map(static fn (array $counter): int => $counter[1], $counters);
            $this->shapes = $kept + array_map(static fn (array $change): mixed => $change['value'], $set) + $counted;
        }
        // The token is judged as of the request that showed it, however late this one still writes: renewed meanwhile, it
        // would be taken for a thief's.
        if (!$answer?->isActive() || $answer->session('id') !== $this->id()) {
            $this->openedAt = $answer?->now();
            $this->owed = null;
        }
        $this->loaded = $values;
        $this->answer = $answer;
        $this->status = $answer?->status() ?? 'none';
        $this->counters = $this->used = [];
        $this->action = null;
        $this->due = false;
    }

    /** @return array<mixed> */
    private function shapes(): array
    {
        return $this->shapes = is_array($this->shapes) ? $this->shapes : ($this->shapes?->shapes() ?? []);
    }

    /** @param array<mixed> $values */
    private function empty(array &$values): void
    {
        $values = $this->loaded = $this->shapes = $this->counters = [];
    }

    /** @return array<string, mixed> what var_dump may show: no token, and no data */
    public function __debugInfo(): array
    {
        return ['id' => $this->id(), 'user_id' => $this->userId()];
    }
}
