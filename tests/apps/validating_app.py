"""One order, checked by each validation library in a view of its own, in Flask's idiom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import attrs
import cattrs
import marshmallow
import msgspec
import pydantic
import wtforms
from flask import Flask, Response, jsonify, request
from marshmallow import Schema, fields, validates_schema
from marshmallow.validate import Range
from webargs.flaskparser import use_args
from wtforms.validators import InputRequired, Length

# -- pydantic


class Item(pydantic.BaseModel):
    """A line of an order."""

    price: int


class Order(pydantic.BaseModel):
    """An order."""

    items: list[Item]


class Prices(pydantic.RootModel[list[int]]):
    """A bare list."""


@pydantic.dataclasses.dataclass
class Sale:
    """A dataclass that pydantic validates."""

    price: int


@pydantic.validate_call
def discounted(price: int, *, percent: Annotated[int, pydantic.Field(le=100)]) -> int:
    """Take something off."""
    return price * (100 - percent) // 100


PYDANTIC: dict[str, Callable[[Any], object]] = {
    "model_validate": Order.model_validate,
    "constructor": lambda data: Order(**data),
    "TypeAdapter": pydantic.TypeAdapter(list[Item]).validate_python,
    "RootModel": lambda data: Prices(data),
    "dataclass": lambda data: Sale(**data),
    "validate_call": lambda data: discounted(**data),
}

# -- marshmallow and webargs


class ItemSchema(Schema):
    """A line of an order."""

    price = fields.Int(required=True, validate=Range(min=1))


class OrderSchema(Schema):
    """An order of two lines at most."""

    items = fields.List(fields.Nested(ItemSchema), required=True)

    @validates_schema
    def check_size(self, data: dict[str, Any], **options: Any) -> None:
        """Refuse long orders."""
        if len(data.get("items", ())) > 2:
            raise marshmallow.ValidationError("at most two items")


# -- WTForms


class AddressForm(wtforms.Form):
    """Where to send it."""

    zip = wtforms.StringField(validators=[Length(max=5)])


class OrderForm(wtforms.Form):
    """An order, as a page sends it."""

    name = wtforms.StringField(validators=[InputRequired()])
    address = wtforms.FormField(AddressForm)
    tags = wtforms.FieldList(wtforms.StringField(validators=[Length(max=3)]))


# -- msgspec, attrs, cattrs


class Packed(msgspec.Struct):
    """A line of an order."""

    price: int


@attrs.define
class Line:
    """A line of an order."""

    price: int = attrs.field(validator=attrs.validators.instance_of(int))


@attrs.define
class Cart:
    """An order."""

    lines: list[Line]


def build() -> Flask:
    """Make the app anew."""
    app = Flask("validating")

    @app.post("/pydantic/<how>")
    def by_pydantic(how: str) -> tuple[Response, int]:
        try:
            PYDANTIC[how](request.get_json())
        except pydantic.ValidationError as error:
            return jsonify(error.errors(include_url=False)), 422
        return jsonify("fine"), 200

    @app.post("/marshmallow")
    def by_marshmallow() -> tuple[Response, int]:
        try:
            OrderSchema().load(request.get_json())
        except marshmallow.ValidationError as error:
            return jsonify(error.messages), 422
        return jsonify("fine"), 200

    @app.post("/tolerant")
    def tolerant() -> Response:
        return jsonify(OrderSchema().validate(request.get_json()))

    @app.post("/webargs")
    @use_args({"price": fields.Int(required=True)}, location="json")
    @use_args({"page": fields.Int()}, location="query")
    def by_webargs(order: dict[str, int], query: dict[str, int]) -> dict[str, int]:
        return {**order, **query}

    @app.route("/wtforms", methods=["GET", "POST"])
    def by_wtforms() -> tuple[Response, int]:
        form = OrderForm(request.form)
        if form.validate():
            return jsonify("fine"), 200
        return jsonify(form.errors), 422 if request.method == "POST" else 200

    @app.post("/msgspec")
    def by_msgspec() -> str:
        return str(len(msgspec.json.decode(request.get_data(), type=list[Packed])))

    @app.errorhandler(msgspec.DecodeError)
    def refuse(error: msgspec.DecodeError) -> tuple[str, int]:
        return str(error), 422

    @app.post("/cattrs")
    def by_cattrs() -> tuple[Response, int]:
        try:
            cattrs.structure(request.get_json(), Cart)
        except cattrs.BaseValidationError as error:
            return jsonify(cattrs.transform_error(error)), 422
        return jsonify("fine"), 200

    @app.post("/attrs")
    def by_attrs() -> tuple[Response, int]:
        try:
            Line(**request.get_json())
        except TypeError as error:
            return jsonify(str(error.args[0])), 422
        return jsonify("fine"), 200

    @app.post("/twice")
    def twice() -> tuple[Response, int]:
        data = request.get_json()
        order = OrderSchema().load(data)
        try:
            Order.model_validate(data)
        except pydantic.ValidationError as error:
            return jsonify(error.errors(include_url=False)), 422
        return jsonify(order), 200

    return app
