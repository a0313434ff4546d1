"""The requests of a test as properties of its case in JUnit XML."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

TESTS = """
    from pytest_lifecycle import Client
    from shop import app

    def test_two_requests():
        with Client(app) as client:
            client.get("/hello", headers={"x-token": "hidden"})
            client.get("/a%1b%3Cb%3E?token=hidden")

    def test_none():
        pass
"""


def properties(project: pytest.Pytester, *arguments: str) -> dict[str, list[tuple[str, str]]]:
    project.makepyfile(test_shop=TESTS)
    project.runpytest("--junitxml=junit.xml", "-p", "no:randomly", *arguments)
    text = (project.path / "junit.xml").read_text(encoding="utf-8")
    assert "hidden" not in text
    return {
        case.attrib["name"]: [(found.attrib["name"], found.attrib["value"]) for found in case.iter("property")]
        for case in ElementTree.fromstring(text).iter("testcase")
    }


@pytest.mark.parametrize("arguments", [(), ("-p", "xdist", "-n2")], ids=["here", "in workers"])
def test_each_request_is_a_property_with_its_path(shop: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    assert properties(shop, "--lifecycle-junit", *arguments) == {
        "test_two_requests": [
            ("lifecycle", "GET /hello -> 200 handled: handler app > response 200"),
            ("lifecycle", "GET /a%1b%3Cb%3E -> 200 handled: handler app > response 200"),
        ],
        "test_none": [],
    }


def test_nothing_is_added_unasked(shop: pytest.Pytester) -> None:
    assert properties(shop, "--lifecycle") == {"test_two_requests": [], "test_none": []}


def test_names_from_an_app_are_escaped(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_names="""
        from pytest_lifecycle import Client

        class Layer:
            def __init__(self, app):
                self.app = app

            async def __call__(self, scope, receive, send):
                await self.app(scope, receive, send)

        Layer.__qualname__ = "\\x1b[31m\\u202e\\n::error::\\ud800"

        async def app(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body"})

        def test_one():
            with Client(Layer(app), lifespan=False) as client:
                client.get("/")
        """
    )
    project.runpytest("--junitxml=junit.xml", "--lifecycle-junit")
    (found,) = ElementTree.parse(project.path / "junit.xml").getroot().iter("property")
    name = r"\x1b[31m\u202e\x0a::error::\ud800"
    assert found.attrib["value"] == f"GET / -> 200 handled: middleware {name} > handler app > response 200"
