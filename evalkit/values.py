"""Immutable values with named fields, for what every application imports.

`dataclasses` imports `inspect` and compiles several functions for each class: together as much time as the whole of
the runtime takes to import, open a bundle and resolve (benchmarks/runtime.py). This says the same with one set of functions for all. Everything that is not imported when
a bundle is opened uses `dataclasses`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar, NoReturn, Self, dataclass_transform
else:

    def dataclass_transform(**_: object) -> object:
        """For type checkers only."""
        return lambda cls: cls


__all__ = ["Value"]


@dataclass_transform(frozen_default=True)
class Value:
    """A base class: the annotated names of a subclass are its fields, in order; their values are defaults.

    Equal when of the same class with equal fields; hashable when they are; ordered like the tuple of them, within a
    class. A field without a value in the class is required.
    """

    _fields: ClassVar[tuple[str, ...]] = ()
    _defaults: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        annotated = cls.__dict__.get("__annotations__", {})  # noqa: RUF063 - `inspect` is what is to be avoided
        own = [name for name, kind in annotated.items() if "ClassVar" not in kind]
        cls._fields = (*cls._fields, *own)
        cls._defaults = {
            **cls._defaults,
            **{name: cls.__dict__[name] for name in own if name in cls.__dict__},
        }

    if not TYPE_CHECKING:

        def __init__(self, *args: object, **kwargs: object) -> None:
            if len(args) == len(self._fields) and not kwargs:  # thousands are made like this
                self.__dict__.update(zip(self._fields, args))  # noqa: B905 - they are as many
                return
            values = {**self._defaults, **dict(zip(self._fields, args)), **kwargs}  # noqa: B905 - checked below
            if (
                len(values) != len(self._fields)
                or len(args) + len(kwargs) > len(values)
                or not (values.keys() == set(self._fields))
            ):
                raise TypeError(self._complaint(args, kwargs))
            self.__dict__.update(values)

        def _complaint(self, args: tuple[object, ...], kwargs: dict[str, object]) -> str:
            given = {*self._fields[: len(args)], *kwargs}
            missing = [name for name in self._fields if name not in given and name not in self._defaults]
            unknown = [name for name in kwargs if name not in self._fields]
            twice = [name for name in self._fields[: len(args)] if name in kwargs]
            said = {"missing": missing, "unknown": unknown, "given twice": twice}
            listed = [f"{what}: {', '.join(names)}" for what, names in said.items() if names]
            return f"{type(self).__name__}() takes {', '.join(self._fields)}; {'; '.join(listed) or 'too many given'}"

    def replace(self, **changes: Any) -> Self:
        """The same with some fields changed."""
        return type(self)(**{**self.as_dict(), **changes})

    def as_dict(self) -> dict[str, Any]:
        """The fields by name, for a health check or a log."""
        return {name: getattr(self, name) for name in self._fields}

    def _tuple(self) -> tuple[Any, ...]:
        values = self.__dict__
        return tuple([values[name] for name in self._fields])

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._tuple() == other._tuple()

    def __lt__(self, other: Self) -> bool:
        return self._tuple() < other._tuple() if type(other) is type(self) else NotImplemented

    def __le__(self, other: Self) -> bool:
        return self._tuple() <= other._tuple() if type(other) is type(self) else NotImplemented

    def __gt__(self, other: Self) -> bool:
        return self._tuple() > other._tuple() if type(other) is type(self) else NotImplemented

    def __ge__(self, other: Self) -> bool:
        return self._tuple() >= other._tuple() if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._tuple())

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._fields)})"
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: '{name}' cannot be set")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__} is immutable: '{name}' cannot be deleted")
