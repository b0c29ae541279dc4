# SPDX-License-Identifier: Apache-2.0
"""Classes that other libraries make of annotations and docstrings (pydantic, attrs, docopt's way of reading a module's text): whatever
changes what they do changes the key of who uses them, comments and blank lines do not."""
import importlib
import os
import sys

sys.path[:0] = [os.path.join(os.path.dirname(__file__), "../support"), os.path.join(os.environ["SHOAL_BUILD"], "python"), os.environ["SHOAL_SCIENCE"]]
from harness import case, main
from modules import project

import shoal


def key(text):
    with project({"m.py": text}):
        return shoal.signature(importlib.import_module("m").f).key


def each_differs(template, *choices):
    """The template's `$` replaced by each: all keys are different, and each is the same when asked again, whatever comments say."""
    keys = [key(template.replace("$", c)) for c in choices]
    assert len(set(keys)) == len(keys), [c for c, k in zip(choices, keys) if keys.count(k) > 1]
    assert keys == [key("# a comment\n\n" + template.replace("$", c)) for c in choices]


PYDANTIC = "from pydantic import BaseModel, ConfigDict, Field, computed_field, field_validator, model_validator\nfrom typing import Annotated, Literal, Optional\n"


@case
def fields_of_pydantic_models():
    each_differs(PYDANTIC + "class M(BaseModel):\n    a: $\ndef f(x): return M.model_validate(x).model_dump()", "int", "float", "Optional[int] = None", "Literal[1, 2]", "list[int]", "dict[str, int]")
    each_differs(PYDANTIC + "class M(BaseModel):\n    a: int = $\ndef f(): return M().a", "1", "2", "Field(3)", "Field(3, gt=0)", "Field(3, gt=1)", "Field(default_factory=lambda: 3)", "Field(default_factory=lambda: 4)")
    each_differs(PYDANTIC + "class M(BaseModel):\n    a: Annotated[int, Field($)]\ndef f(x): return M(a=x)", "gt=0", "gt=1", "lt=1", "description='x'", "alias='b'")
    each_differs(PYDANTIC + "class M(BaseModel):\n    $\n    a: int = 1\ndef f(): return M.model_json_schema()", "'''One.'''", "'''Two.'''")


@case
def what_pydantic_models_do():
    each_differs(PYDANTIC + "class M(BaseModel):\n    a: int\n    @field_validator('a')\n    @classmethod\n    def check(cls, v):\n        return v * $\ndef f(x): return M(a=x).a", "1", "2")
    each_differs(PYDANTIC + "class M(BaseModel):\n    a: int\n    @model_validator(mode='after')\n    def check(self):\n        assert self.a > $\n        return self\ndef f(x): return M(a=x).a", "1", "2")
    each_differs(PYDANTIC + "class M(BaseModel):\n    a: int = 1\n    @computed_field\n    @property\n    def b(self) -> int:\n        return self.a + $\ndef f(): return M().model_dump()", "1", "2")
    each_differs(PYDANTIC + "class M(BaseModel):\n    model_config = ConfigDict($)\n    a: int\ndef f(x): return M(**x)", "", "strict=True", "extra='forbid'", "frozen=True")
    each_differs(PYDANTIC + "class N(BaseModel):\n    b: $\nclass M(BaseModel):\n    n: N\ndef f(x): return M.model_validate(x)", "int", "str")
    each_differs(PYDANTIC + "class N(BaseModel):\n    b: int = $\nclass M(N):\n    a: int = 0\ndef f(): return M()", "1", "2")
    each_differs(PYDANTIC + "class M(BaseModel):\n    a: int\nV = M(a=$)\ndef f(): return V.a", "1", "2")


ATTRS = "import attrs\nfrom attrs import define, field, frozen, validators\n"


@case
def classes_of_attrs():
    each_differs(ATTRS + "@define\nclass C:\n    a: $\ndef f(): return attrs.fields(C).a.type", "int", "float")
    each_differs(ATTRS + "@define\nclass C:\n    a: int = $\ndef f(): return C().a", "1", "2", "field(factory=lambda: 1)", "field(factory=lambda: 2)")
    each_differs(ATTRS + "@$\nclass C:\n    a: int = 1\ndef f(): return C()", "define", "frozen", "define(order=True)", "define(kw_only=True)", "define(slots=False)")
    each_differs(ATTRS + "@define\nclass C:\n    a: int = field(converter=lambda x: x * $)\ndef f(x): return C(x).a", "1", "2")
    each_differs(ATTRS + "@define\nclass C:\n    a: int = field(validator=validators.ge($))\ndef f(x): return C(x)", "1", "2")
    each_differs(ATTRS + "@define\nclass C:\n    a: int = field()\n    @a.validator\n    def check(self, attribute, value):\n        if value > $: raise ValueError\ndef f(x): return C(x)", "1", "2")
    each_differs(ATTRS + "@define\nclass C:\n    a: int\n    def __attrs_post_init__(self):\n        self.a += $\ndef f(x): return C(x)", "1", "2")
    each_differs(ATTRS + "@define\nclass B:\n    a: int = $\n@define\nclass C(B):\n    b: int = 0\ndef f(): return C()", "1", "2")
    each_differs(ATTRS + "@define\nclass C:\n    a: int\nV = C($)\ndef f(): return V.a", "1", "2")


@case
def texts_that_programs_read():
    read = "def options(text):\n    return [w for w in text.split() if w.startswith('--')]\n"
    each_differs("'''Usage: prog $'''\n" + read + "def f(): return options(__doc__)", "--fast", "--slow")
    each_differs(read + "def main():\n    '''Usage: prog $'''\ndef f(): return options(main.__doc__)", "--fast", "--slow")
    each_differs(read + "import inspect\ndef main():\n    '''Usage: prog $'''\ndef f(): return options(inspect.getdoc(main))", "--fast", "--slow")


if __name__ == "__main__":
    main()
