#!/usr/bin/env python3
"""Runs the test vectors against an implementation of the protocol made from its specification alone.

    python3 test/independent/verify.py spec/vectors

Prints a verdict for each vector and exits with 1 if one differs from what the vector expects.
It shares no code with the reference implementation. It needs Python and the `openssl` command.
"""
from __future__ import annotations

import argparse
import json
import shutil
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

sys.dont_write_bytecode = True  # leave nothing beside the sources

import ed25519  # noqa: E402
from encoding import Refused  # noqa: E402
from operations import OPERATIONS  # noqa: E402


@dataclass(frozen=True)
class Outcome:
    verdict: str  # accept, a refusal code, mismatch
    agrees: bool
    details: str = ""


def canonical(value: Any) -> str:
    """A text that is equal for equal JSON values only: Python takes 1, 1.0 and True for equal."""
    return json.dumps(value, sort_keys=True, ensure_ascii=True)


def expected_refusal(expect: Any) -> Optional[str]:
    return expect["refused"] if isinstance(expect, dict) and set(expect) == {"refused"} else None


def run(vector: dict) -> Outcome:
    """Computes first and looks at `expect` afterwards."""
    name = vector.get("operation")
    operation = OPERATIONS.get(name)  # type: ignore[arg-type]
    if operation is None:
        return Outcome("mismatch", False, f"unknown operation {name!r}")
    if "expect" not in vector:
        return Outcome("mismatch", False, "no expectation")
    try:
        value = operation({key: item for key, item in vector.items() if key != "expect"})
    except Refused as refusal:
        code = expected_refusal(vector["expect"])
        details = "" if code == refusal.code else f"refused with {refusal}, expected {canonical(vector['expect'])}"
        return Outcome(refusal.code, code == refusal.code, details)
    except Exception:  # a vector that breaks the program is a finding, never skipped
        return Outcome("mismatch", False, traceback.format_exc())
    return compare(value, vector["expect"])


def compare(value: Any, expect: Any) -> Outcome:
    details = f"found {canonical(value)}, expected {canonical(expect)}"
    if expected_refusal(expect) is not None:
        return Outcome("accept", False, details)
    if canonical(value) == canonical(expect):
        return Outcome("accept", True)
    return Outcome("mismatch", False, details)


def load(path: Path) -> list[dict]:
    with path.open(encoding="utf-8") as file:
        vectors = json.load(file)["vectors"]
    if not isinstance(vectors, list) or not vectors:
        raise ValueError("no vectors")
    return vectors


def run_file(path: Path, as_json: bool) -> list[tuple[dict, bool]]:
    results = []
    for index, vector in enumerate(load(path)):
        outcome = run(vector)
        name = str(vector.get("name"))
        results.append(({"file": path.name, "name": name, "verdict": outcome.verdict}, outcome.agrees))
        if not as_json:
            print(f"{path.name} {index} {name}: {outcome.verdict}")
        if not outcome.agrees:
            print(f"{path.name} {index} {name}: MISMATCH: {outcome.details}", file=sys.stderr)
    return results


def arguments(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the test vectors of the protocol.")
    parser.add_argument("folder", type=Path, help="folder with the *.json files")
    parser.add_argument("--json", action="store_true", help="print a JSON list of {file, name, verdict}")
    parser.add_argument(
        "--ed25519",
        choices=ed25519.BACKENDS,
        default="both",
        help="who verifies signatures; with `both` (the default) openssl and Python must agree",
    )
    options = parser.parse_args(argv)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder")
    if options.ed25519 != "python" and shutil.which("openssl") is None:
        parser.error("the openssl command is missing")
    return options


def main(argv: list[str]) -> int:
    options = arguments(argv)
    ed25519.use_backend(options.ed25519)
    files = sorted(options.folder.glob("*.json"))
    if not files:
        print(f"no vectors in {options.folder}", file=sys.stderr)
        return 2
    results: list[tuple[dict, bool]] = []
    for path in files:
        try:
            results += run_file(path, options.json)
        except (ValueError, KeyError, TypeError) as error:
            print(f"{path.name}: cannot be read: {error!r}", file=sys.stderr)
            results.append(({"file": path.name, "name": "", "verdict": "mismatch"}, False))
    mismatches = sum(not agrees for _, agrees in results)
    if options.json:
        print(json.dumps([result for result, _ in results], indent=1))
    print(f"{len(results)} vectors, {mismatches} mismatches", file=sys.stderr if options.json else sys.stdout)
    return 1 if mismatches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
