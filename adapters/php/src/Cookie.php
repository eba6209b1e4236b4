<?php

declare(strict_types=1);

namespace Sojourn;

/**
 * The session's cookie: found in a Cookie header, and sent as the service spelled it.
 *
 * @internal
 */
final class Cookie
{
    /** The Set-Cookie value of this request, if there is one. */
    private ?string $line = null;
    /** @var list<string> Set-Cookie values that make the browser forget the several that it showed */
    private array $variants = [];
    private bool $forgets = false;

    public function __construct(public readonly string $name)
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

    /** Make the browser forget those that it showed. */
    public function forget(): void
    {
        $this->forgets = true;
        $this->guard();
    }

    /** Put the service's Set-Cookie into the answer, in place of one from an earlier commit of this request. */
    public function send(#[\SensitiveParameter] string $line): void
    {
        if (!str_starts_with($line, $this->name . '=')) {
            $name = explode('=', $line, 2)[0];
            throw new ConfigurationError(
                "The service's cookie is $name, but '$this->name' is read. Give cookie: '$name'."
            );
        }
        $this->line = $line;
        $this->guard();
    }

    /** Tell caches that the answer depends on the cookie; where it sets it, see that it does and is kept by none. */
    public function guard(): void
    {
        if (headers_sent()) {
            return;
        }
        if (!array_intersect(['cookie', '*'], self::words('vary'))) {
            header('Vary: Cookie', false);
        }
        if ($this->line === null && !$this->forgets) {
            return;
        }
        $own = $this->line === null ? $this->variants : [...$this->variants, $this->line];
        $isOther = fn (string $value): bool => !str_starts_with($value, $this->name . '=');
        $others = array_filter(self::sent('set-cookie'), $isOther);
        header_remove('Set-Cookie');
        foreach ([...$others, ...$own] as $value) {
            header("Set-Cookie: $value", false);
        }
        // What says so itself, and maybe more, stays.
        if (!in_array('no-store', self::words('cache-control'), true)) {
            header('Cache-Control: no-store');
        }
    }

    /** @return list<string> what one of the answer's headers lists so far, in lower case */
    private static function words(string $name): array
    {
        return array_map('trim', explode(',', strtolower(implode(',', self::sent($name)))));
    }

    /** @return list<string> the values of one of the answer's headers so far */
    private static function sent(string $name): array
    {
        $values = [];
        foreach (headers_list() as $line) {
            [$sent, $value] = explode(':', $line, 2) + [1 => ''];
            if (strtolower($sent) === $name) {
                $values[] = ltrim($value);
            }
        }
        return $values;
    }

    /** @return array<string, mixed> what var_dump may show: no token */
    public function __debugInfo(): array
    {
        return ['name' => $this->name];
    }
}
