"""A component written in Python: a command of 0.2, and a function to be called from outside."""

import sys

import wit_world
from componentize_py_types import Err
from wit_world import exports


class WitWorld(wit_world.WitWorld):
    def greet(self, name: str) -> str:
        return f"hello, {name}, from python"


class Run(exports.Run):
    def run(self) -> None:
        who = sys.argv[1] if len(sys.argv) > 1 else "world"
        print(f"hello, {who}, from python")
        if who == "nobody":
            raise Err(None)
