"""What messages between the panels' Python and web halves are made of.

Each panel declares its messages once, in its ``messages.py``. What the browser sends is checked by
them: whoever reaches the App's server can call the methods, so nothing is passed on that was not.
``python -m labelvet.panels.typescript`` writes the types of the web half from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Annotated, Any, TypeVar

from bson import ObjectId
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from ..core.errors import InvalidParameter

AnyRequest = TypeVar("AnyRequest", bound="Request")
AnyReply = TypeVar("AnyReply", bound="Reply")


class Message(BaseModel):
    """What travels, with names in camelCase on the way."""

    model_config = ConfigDict(
        alias_generator=to_camel, validate_by_name=True, frozen=True, defer_build=True
    )


class Request(Message):
    """What the browser asks. Nothing is converted, and what is not declared is ignored."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False, validate_by_name=False)

    @classmethod
    def parse(cls: type[AnyRequest], params: dict[str, Any]) -> AnyRequest:
        """Returns the request that parameters of the browser make.

        Raises:
            InvalidParameter: if one is missing or not valid; the sentence names the first
        """
        try:
            return cls.model_validate(params)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
        own = first.get("ctx", {}).get("error")
        if isinstance(own, InvalidParameter):
            raise own
        name = ".".join(map(str, first["loc"]))
        if first["type"] == "missing":
            raise InvalidParameter(f"'{name}' is missing.")
        _, _, rest = first["msg"].replace(" after validation", "").partition(" should ")
        raise InvalidParameter(f"'{name}' should {rest or 'be valid'}.")


class Reply(Message):
    """What Python replies."""

    @classmethod
    def like(cls: type[AnyReply], thing: object, **others: Any) -> AnyReply:
        """Takes each field that is not given from the attribute of the same name."""
        alike = {
            name: getattr(thing, name)
            for name, field in cls.model_fields.items()
            if name not in others and (field.is_required() or hasattr(thing, name))
        }
        return cls.model_validate(alike | others)


class Nothing(Reply):
    """It is done."""


@dataclass(frozen=True)
class TypeScript:
    """The type that a field has in TypeScript, and the module that it is imported from."""

    name: str
    module: str


@dataclass(frozen=True)
class OneOf:
    """One of some words, which the engine declares."""

    words: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.literal_schema(list(self.words))


def _no_control(text: str) -> str:
    if "\0" in text:
        raise InvalidParameter("Text must not contain null characters.")
    return text


def _object_id(text: str) -> str:
    if not ObjectId.is_valid(text):
        raise InvalidParameter("An id has 24 hexadecimal digits.")
    return text


def _moment(value: Any) -> str:
    if not isinstance(value, datetime):
        raise ValueError("a moment is a datetime")
    return (value if value.tzinfo else value.replace(tzinfo=timezone.utc)).isoformat()


# a key, a path, a token
Text = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_no_control)]
# the name of a class, which may be empty and is as long as somebody made it
ClassName = Annotated[str, Field(max_length=10_000), AfterValidator(_no_control)]
# an id of a sample or label
Id = Annotated[str, AfterValidator(_object_id)]
# in ISO 8601
Moment = Annotated[str, PlainValidator(_moment)]
