#!/usr/bin/env python3
"""values_table.py [--check]: writes the table of values in helm/README.md from the comments in helm/values.yaml.

A comment `# -- text` describes the key below it; one above a map describes the whole map. `# @section Title` starts a new table. With
--check nothing is written, and a README that is out of date is an error. Standard library only.
"""
import pathlib
import re
import sys

CHART = pathlib.Path(__file__).parents[2] / "helm"
BEGIN, END = "<!-- values: written by `make chart-docs` -->", "<!-- /values -->"
KEY = re.compile(r"^( *)([A-Za-z][\w.]*):(?: +(.*))?$")


def flow(lines):
    """The default of a described map: its lines joined into one short text."""
    return "; ".join(line.strip() for line in lines)


def table(text):
    """The tables, as Markdown."""
    lines = text.splitlines()
    out, path, description, section = [], [], None, False
    for number, line in enumerate(lines):
        if match := re.match(r"^# @section (.*)$", line):
            out += ["", f"### {match[1]}", ""]
            section = False
            continue
        if match := re.match(r"^ *# -- (.*)$", line):
            description = match[1]
            continue
        match = KEY.match(line)
        if not match:
            continue
        depth = len(match[1]) // 2
        path = path[:depth] + [match[2]]
        if description is None:
            continue
        default = match[3]
        if default is None:
            inner = []
            for below in lines[number + 1:]:
                if below.strip() and len(below) - len(below.lstrip()) <= len(match[1]):
                    break
                inner.append(below)
            default = flow(inner)
        if not section:
            out += ["| Value | Default | What |", "|---|---|---|"]
            section = True
        out.append(f"| `{'.'.join(path)}` | `{default}` | {description.replace('|', chr(92) + '|')} |")
        description = None
    return "\n".join(out)


def main():
    readme = CHART / "README.md"
    before = readme.read_text()
    head, rest = before.split(BEGIN)
    tail = rest.split(END)[1]
    after = f"{head}{BEGIN}\n\n### General\n\n{table((CHART / 'values.yaml').read_text())}\n\n{END}{tail}"
    if before == after:
        return
    if "--check" in sys.argv:
        sys.exit("helm/README.md does not fit helm/values.yaml: run `make chart-docs`")
    readme.write_text(after)


main()
