"""Reading a dsn, so that no part of a password ends up in a message, and no other error shows it."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, unquote_plus, urlsplit

__all__ = ["Dsn", "read_dsn"]

_SECRET = ("password", "sslpassword")


@dataclass(frozen=True)
class Dsn:
    """A dsn: `url` as it was given, `where` to say in messages, and what is a password and must not be in them."""

    url: str
    where: str
    passwords: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Dsn of {self.where}>"

    def masked(self, text: str) -> str:
        """A text without the password."""
        for password in self.passwords:
            text = text.replace(password, "***")
        return text


def read_dsn(url: str) -> Dsn:
    """What a dsn says. Raises ValueError, without a part of it, for one that is read in different ways.

    A password with a `/` or an `@` that is not escaped would be taken for a host or a database, and show in messages.
    """
    try:
        if "#" in url:
            raise ValueError
        parts = urlsplit(url)
        if parts.scheme not in ("postgresql", "postgres") or "@" in parts.path or parts.netloc.count("@") > 1:
            raise ValueError
        query = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=True)) if parts.query else {}
        user, _, hosts = parts.netloc.rpartition("@")
        hosts = hosts or query.get("host", "")
        for host in hosts.split(","):
            _ = urlsplit(f"//{host}").port
    except ValueError:
        raise ValueError(
            "the dsn of the store cannot be read. It is postgresql://[user[:password]@][host[:port]][/database]"
            "[?name=value&...], and signs like / # ? @ : % of a user or a password are written as "
            "%2F, %23, %3F, %40, %3A, %25"
        ) from None
    database = unquote(parts.path.lstrip("/")) or query.get("dbname") or query.get("database") or "the default database"
    written = [user.partition(":")[2]]
    written += [value for name, _, value in (pair.partition("=") for pair in parts.query.split("&")) if name in _SECRET]
    passwords = {*written, *map(unquote, written), *map(unquote_plus, written)} - {""}
    longest_first = tuple(sorted(passwords, key=len, reverse=True))
    return Dsn(url, f"{hosts or 'the default host'}/{database}", longest_first)
