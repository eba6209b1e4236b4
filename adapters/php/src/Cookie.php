<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * The session's cookie: found in a Cookie header, and sent as the service spelled it.
 *
 * @internal
 */
final class Cookie implements Carrier
{
    /** The Set-Cookie value of this request, if there is one. */
    private ?string $line = null;
    private ?DeviceKey $key = null;
    /** @var ?array{set_cookie: string, registration: ?string} what the browser is told for a key of its own */
    private ?array $device = null;
    /** @var list<string> Set-Cookie values that make the browser forget the several that it showed */
    private array $variants = [];
    private bool $forgets = false;

    /** @param list<string> $vary what of a request the session depends on */
    public function __construct(public readonly string $name, private readonly array $vary = ['Cookie'])
    {
        if (preg_match('/^[A-Za-z0-9!#$%&\'*+.^_`|~-]{1,100}$/D', $name) !== 1) {
            throw new ConfigurationError("cookie: letters, digits and !#\$%&'*+.^_`|~- only, as the service has it.");
        }
    }

    /**
     * The tokens in a Cookie header, in its order: several where the cookie's domain or path was changed, or a sibling
     * host plants one.
     *
     * Not from $_COOKIE: PHP takes `..Host-` for `__Host-` in some versions, and keeps the first of two silently.
     *
     * @return list<string>
     */
    public function find(#[\SensitiveParameter] string $header): array
    {
        $values = [];
        foreach (explode(';', $header) as $pair) {
            [$name, $value] = explode('=', $pair, 2) + [1 => ''];
            if (trim($name, " \t") === $this->name) {
                $values[] = trim($value, " \t");
            }
        }
        return array_values(array_unique(array_filter($values, Token::fits(...))));
    }

    /**
     * The same of the request that is being answered. Where it shows several, a new cookie takes the place of them all.
     *
     * @return list<string>
     */
    public function read(): array
    {
        $tokens = $this->find(Request::current()->cookies);
        if (count($tokens) > 1) {
            $this->variants = CookieVariants::clearing($this->name, Request::host(), Request::path());
        }
        return $tokens;
    }

    public function key(): DeviceKey
    {
        return $this->key ??= new DeviceKey($this->name);
    }

    public function forget(): void
    {
        $this->forgets = true;
        $this->guard();
    }

    /** The service's Set-Cookie takes the place of one from an earlier commit of this request. */
    public function tell(Answer $answer): void
    {
        $this->device = $answer->device() ?? $this->device;
        $line = $answer->setCookie();
        if ($line === null) {
            return;
        }
        if (!str_starts_with($line, $this->name . '=')) {
            $name = explode('=', $line, 2)[0];
            throw new ConfigurationError(
                "The service's cookie is $name, but '$this->name' is read. Give cookie: '$name'."
            );
        }
        $this->line = $line;
        $this->guard();
    }

    public function guard(): void
    {
        if (headers_sent()) {
            return;
        }
        Headers::vary($this->vary);
        if ($this->line === null && !$this->forgets) {
            return;
        }
        $own = $this->line === null ? $this->variants : [...$this->variants, $this->line];
        $bound = $this->device['set_cookie'] ?? null;
        $isOther = fn (string $value): bool => !str_starts_with($value, $this->name . '=') && $value !== $bound;
        $others = array_filter(Headers::sent('set-cookie'), $isOther);
        header_remove('Set-Cookie');
        foreach ([...$others, ...$own, ...($bound === null ? [] : [$bound])] as $value) {
            header("Set-Cookie: $value", false);
        }
        if (isset($this->device['registration'])) {
            header('Secure-Session-Registration: ' . $this->device['registration']);
        }
        Headers::neverStore();
    }

    /** @return array<string, mixed> what var_dump may show: no token */
    public function __debugInfo(): array
    {
        return ['name' => $this->name];
    }
}
